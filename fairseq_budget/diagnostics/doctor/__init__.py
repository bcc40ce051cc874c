"""What an installation and its machine lack, told with a remedy: ``check`` has the type, the other modules a subject each.

Nothing here imports torch, fairseq or s3prl: what they have to say is asked of processes of their own (``probe``), which
may fail to import them, or crash.
"""

"""One page from a study's records: what was run, which size won, what it cost, and the paper beside it.

``runs`` and ``train_log`` read, ``findings`` concludes, ``tables`` and ``plots`` show, ``page`` puts it all together.
matplotlib and pandas are imported by the last three only.
"""

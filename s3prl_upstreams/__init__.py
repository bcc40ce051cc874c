"""The s3prl side: pre-trained models as upstreams of SUPERB's tasks, and s3prl's own launcher on today's packages.

Needs torch and s3prl, not fairseq.  Nothing here is imported by ``fairseq_budget``.
"""

"""SUPERB's sweep over learning rates, for the price of about one run.

The upstream is frozen and the same for every learning rate, so all of a task's trials (each is one learning rate) take the
features of each batch from one pass of the upstream.  Each has its own featurizer, head, optimizer and choice of checkpoint,
and ends with what s3prl's own runner would have ended with: the batches are the same, and so are the random numbers that
each head draws (`randomness.py` says why).

What isn't shared are the heads, and that's the price of a second learning rate.  In FLOPs, with Slim, five cost 1.01 to 1.02
times as much as one on PR, KS, IC, SID and ER, 1.3 times on SD, 1.7 times on ASV and 3.6 times on ASR, whose official head
costs 1.8 times what Slim does; there, `halving` brings five down to some 1.6.

    settings    what is asked for; folders; s3prl's arguments and configuration of a trial
    heads       s3prl's experts, one for each trial, on one set of data
    trials       a head that learns
    shared      one upstream pass for several heads: training steps, evaluations
    training    the steps of a task, in s3prl's order, with snapshots to continue from
    selection   which step and which learning rate; which trials are given up early
    protocol    what happens after training: each task's way to its published number
    rows        records
    worker      one task in a process of its own
    launch      all tasks one after the other, with progress
"""

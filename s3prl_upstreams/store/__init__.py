"""A store of hidden states: a frozen upstream computes each utterance once, however many passes a task makes.

SUPERB's tasks hear their corpora up to 270 times.  An upstream whose features of an utterance don't depend on the batch
around it needs to be run for the first of them alone; what it gave is kept on the disk, under a key of the samples, the
model and the numerics, and read from there by every later pass, task and process.

    entry      one utterance in a file: layout, checksum
    folder     the files: read, written, the least recently used removed
    numerics   what beside samples decides the numbers
    upstream   an upstream that computes only what the store lacks
    demand     how much a task asks of an upstream, counted from its data
    decision   whether the store pays, and why
    use        an upstream with a store, or without
"""

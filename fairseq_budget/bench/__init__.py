"""Benchmarks: training steps of this project beside those of stock fairseq and other libraries, on the same batches."""

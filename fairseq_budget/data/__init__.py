"""Audio, manifests, labels and batches: everything between files on disk and arrays of samples, without torch or fairseq."""

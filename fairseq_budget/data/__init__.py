"""Audio, manifests and corpora: everything between files on disk and arrays of samples, without torch or fairseq."""

"""wav2vec 2.0 (Baevski et al. 2020)."""

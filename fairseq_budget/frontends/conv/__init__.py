"""The papers' seven convolutions (Baevski et al. 2020)."""

"""BEST-RQ (Chiu et al. 2022)."""

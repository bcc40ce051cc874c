"""TERA (Liu et al. 2021)."""

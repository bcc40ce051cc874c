"""Tools around the training: labels by k-means, and fits of the optimal size (isoflop)."""

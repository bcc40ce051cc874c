"""HuBERT's labels: features, k-means, and both rounds."""

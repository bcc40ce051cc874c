"""CTC on a pre-trained encoder: recognises letters or word pieces (Graves et al. 2006)."""

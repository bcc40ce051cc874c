"""Log-mel frames, which nothing has to learn."""

"""Speech recognition with a fine-tuned model: decoding, word models, error rates."""

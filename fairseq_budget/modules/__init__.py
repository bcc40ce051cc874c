"""The encoder that all objectives share, in plain torch with stock fairseq's parameter names; it doesn't import fairseq."""

"""The encoder and the three objectives in plain torch, with stock fairseq's parameter names; no fairseq is imported here."""

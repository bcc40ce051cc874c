"""What stands around a training run: each part knows one thing, and saves its own state.

`state` has the budget and what is spent of it; `control` steers fairseq; `accounting` sums costs over ranks; `signals` notes
requests to stop; `bad_audio` counts what cannot be read; `kept` keeps checkpoints at shares of the budget; `labels` binds a
run to its labels; `record` writes what the run leaves; `run` holds them together.
"""

"""What stands around a training run: each part knows one thing, and saves its own state.

`run` holds them together.  Where it starts: `origin`, `parent`, `generations`, `folder`.  What it trains on: `data`,
`labels`, `corpus`, `bad_audio`, `statistics`.  What it spends: `state` (budget and ledger), `accounting` (sums over ranks),
`waiting`.  How it goes on and ends: `control` steers fairseq, `kept` keeps checkpoints at shares of the budget, `signals`
notes requests to stop, `divergence` and `diagnosis` judge gradients, `stalls` ends a job that hangs.  What it leaves:
`results`, `record`, `forecast`.
"""

"""Reads checkpoints as data, and exports them to Hugging Face's transformers and to s3prl's own upstreams.

To stock fairseq they are exported where fairseq is at hand, in `plugin/stock.py`.

Of an exported file, one utterance at a time gives the same features everywhere.  Padded batches don't:

- where the first convolution has a group norm (`extractor_mode` ``default``), theirs takes the padding into the mean and
  variance over time; ours looks at each utterance's own frames, so that it gets the same features alone and in a batch;
- s3prl and fairseq's HuBERT take a frame for real if any of its 320 samples is, which is one more than the convolutions make
  of the utterance, and attend to it; transformers counts as we do, given its attention mask.
"""

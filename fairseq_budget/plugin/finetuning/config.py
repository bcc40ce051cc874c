"""The dataclass that Hydra validates a recipe of fine-tuning against."""

# no `from __future__ import annotations` here: fairseq reads the field types themselves

from dataclasses import dataclass

from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.plugin.config import PretrainingConfig


@dataclass
class FinetuningConfig(PretrainingConfig):
    """A corpus with transcripts, how it is batched, and the budget; utterances are whole."""

    transcripts: str | None = setting(
        None, "folder of `fairseq-budget asr transcripts`, with transcripts.json; default: `data`"
    )

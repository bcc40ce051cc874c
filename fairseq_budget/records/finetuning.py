"""The record of a fine-tuning run: that of a training, with what it began from."""

from __future__ import annotations

from typing import ClassVar

from fairseq_budget.records.base import Name
from fairseq_budget.records.pretraining import PretrainingRecord


class FinetuningRecord(PretrainingRecord):
    """A run of CTC; `objective` is ``ctc``, `data` the labelled speech, `parent` the pre-trained checkpoint."""

    KIND: ClassVar[str] = "finetune"

    pretrained: Name = "scratch"
    """The objective of pre-training; ``scratch`` where there was none."""

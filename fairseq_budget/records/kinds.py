"""Which kinds of records there are beside those of pre-training runs, for readers that want the one or the others."""

from __future__ import annotations

from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.finetuning import FinetuningRecord
from fairseq_budget.records.first_look import FirstLookRecord
from fairseq_budget.records.gradients import GradientRecord
from fairseq_budget.records.recognition import RecognitionRecord
from fairseq_budget.records.resources import DownstreamResourcesRecord, ResourcesRecord

_KINDS = (
    *(DownstreamRecord, FinetuningRecord, FirstLookRecord, GradientRecord),
    *(RecognitionRecord, ResourcesRecord, DownstreamResourcesRecord),
)
AFTER_PRETRAINING = frozenset(kind.KIND for kind in _KINDS)
"""What is done with a pre-trained model, or without one."""

"""Batches from lengths: which utterances share a batch, and how long its rows are.

A packer is one rule.  Whatever the rule, a batch of B rows of S samples costs B x S, which is never above the limit, and an
utterance is in at most one batch of an epoch.  Members that are longer than the row are cropped to it; shorter ones are
padded, where padding is on (rows are then as long as the rule says, otherwise at most as long as the shortest member).

Letters: N utterances, M batches, B rows of a batch, S samples of a row.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fairseq_budget.data.packing.batches import Batches
from fairseq_budget.data.packing.bins import Bins
from fairseq_budget.data.packing.buckets import Buckets
from fairseq_budget.data.packing.neighbours import Neighbours
from fairseq_budget.errors import ConfigError

RULES = {"buckets": Buckets, "sorted": Neighbours, "bins": Bins}
"""By the name that `task.batching` has."""
STOCK_MULTIPLE = 8
"""fairseq's `dataset.required_batch_size_multiple`, which the published runs had, too."""


class Packer(Protocol):
    """A rule, applied to the lengths of a corpus."""

    def batches(self, rng: np.random.Generator) -> Batches:
        """The batches of an epoch, each as indices into the lengths."""

    def row_lengths(self, shortest: np.ndarray, longest: np.ndarray) -> np.ndarray:
        """What `row_length` says of many batches, whose members are so long.  Shape: (M,), (M,) -> (M,)"""

    def row_length(self, lengths: np.ndarray) -> int:
        """Samples of every row of the batch whose members have these lengths.  Shape: lengths (B,) int -> S."""


def check_rule(rule: str, padding: bool) -> None:
    """Raise ConfigError for a rule that doesn't exist, or that doesn't work with or without padding."""
    if rule not in RULES:
        raise ConfigError(f"`task.batching` must be one of {', '.join(RULES)}, but is `{rule}`")
    if rule == "bins" and not padding:
        raise ConfigError(
            "`task.batching` = bins mixes lengths up to 10 s apart, of which cropping to the shortest would leave little: "
            "add `task.padding=true`, or choose buckets or sorted"
        )


def pack(
    rule: str,
    lengths: np.ndarray,
    max_samples: int,
    max_utterances: int | None = None,
    padding: bool = False,
    multiple: int = STOCK_MULTIPLE,
) -> Packer:
    """Apply a rule of `RULES` to a corpus; `multiple` is for `sorted` alone.

    Shape: lengths (N,) int, in samples, none longer than `max_samples`, the most that a batch may cost.

    Raises:
        ConfigError: see `check_rule`.
        ValueError: an utterance alone is longer than `max_samples`.
    """
    check_rule(rule, padding)
    if len(lengths) and lengths.max() > max_samples:
        raise ValueError(f"an utterance of {lengths.max()} samples doesn't fit into a batch of {max_samples}")
    own = {"multiple": multiple} if rule == "sorted" else {}
    return RULES[rule](lengths, max_samples, max_utterances or max_samples, padding, **own)

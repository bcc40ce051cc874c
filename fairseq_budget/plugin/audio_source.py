"""What a training run reads: the files of its manifest are there, and its utterances re-cut where that's asked for."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.presence import missing
from fairseq_budget.data.rows import REMAKE
from fairseq_budget.data.segment_labels import SegmentLabels
from fairseq_budget.data.segments import Segments, check_limits
from fairseq_budget.data.speakers import LIBRISPEECH_RULE, speakers
from fairseq_budget.errors import BudgetError

logger = logging.getLogger(__name__)


def check_files(manifest: Manifest, tolerated_share: float = 0.0) -> None:
    """Refuse a manifest that names files which aren't there, before hours are spent.

    Raises:
        BudgetError: more than a share of the utterances lack one; up to that share is only warned of.
    """
    gone = list(missing(manifest))
    if not gone:
        return
    index, name = gone[0]
    count = len({index for index, _ in gone})
    text = f"{manifest.where(index)}: no file `{manifest.root / name}`"
    if count > 1:
        text += f", and so for {count} of the {len(manifest)} utterances"
    if count > tolerated_share * len(manifest):
        raise BudgetError(f"{text}; mend the path, or {REMAKE}")
    logger.warning("%s; skipped in training", text)


def re_cut(manifest: Manifest, labels: dict[str, Any], cfg: Any) -> tuple[Segments, dict[str, Any]]:
    """The manifest in segments of `task.segment_seconds`, and the dataset's settings for labels with theirs.

    Raises:
        ConfigError: the limits of `task.{min,max}_sample_size` would leave segments out or crop them.
    """
    check_limits(cfg.segment_seconds, cfg.min_sample_size, cfg.max_sample_size)
    together = np.zeros(len(manifest), dtype=np.int64)
    who = together if cfg.cross_speakers else speakers(manifest, cfg.speaker_rule or LIBRISPEECH_RULE)
    segments = Segments(manifest, who, cfg.segment_seconds)
    logger.info("re-cut: %s", segments.description)
    if "labels" in labels:
        labels = {**labels, "labels": SegmentLabels(labels["labels"], segments.cuts, labels["label_rate"])}
    return segments, labels

"""Opens a split: its manifest, checked; re-cut where that is asked for; with labels where the objective needs them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from fairseq_budget.data.check.cheap import cheap_checks
from fairseq_budget.data.manifest import Manifest, Utterances
from fairseq_budget.plugin.audio_source import check_files, re_cut
from fairseq_budget.plugin.dataset import PretrainingDataset
from fairseq_budget.plugin.run.bad_audio import MAX_SHARE
from fairseq_budget.plugin.run.labels import TargetSource
from fairseq_budget.plugin.run.seeds import VALIDATION

logger = logging.getLogger(__name__)


def training_data(task: Any) -> PretrainingDataset | None:
    """The training set of a fairseq task (`dataset.train_subset`); None before it is loaded."""
    return task.datasets.get(task.root.dataset.train_subset)


def open_split(
    cfg: Any,
    split: str,
    labels: TargetSource | None,
    others: dict[str, Manifest],
    training: bool,
    kind: type[PretrainingDataset] = PretrainingDataset,
) -> PretrainingDataset:
    """Read `<data>/<split>.tsv`; refuse what would fail later, and warn of what looks wrong beside the `others`.

    `cfg` is the task's configuration; only what is for `training` is re-cut.  `kind`: of dataset.
    """
    manifest = Manifest.read(Path(cfg.data) / f"{split}.tsv")
    check_files(manifest, MAX_SHARE if cfg.on_bad_audio == "skip" else 0.0)
    crop = cfg.max_sample_size if training and cfg.segment_seconds is None else None
    for warning in cheap_checks(split, manifest, others, crop):
        logger.warning(warning)
    utterances: Utterances = manifest
    settings: dict[str, Any] = {} if labels is None else labels.dataset_settings(manifest, split)
    if training and cfg.segment_seconds is not None:
        utterances, settings = re_cut(manifest, settings, cfg)
    longest = cfg.max_sample_size if training else cfg.valid_sample_size or cfg.max_sample_size
    dataset = kind(
        utterances,
        longest,
        cfg.min_sample_size,
        cfg.normalize,
        cfg.seed if training else VALIDATION,
        batching=cfg.batching,
        padding=cfg.padding,
        **settings,
    )
    kept, hours = len(dataset.kept), utterances.hours
    logger.info("%s: %d utterances of %d are long enough, %.2f h", split, kept, len(utterances), hours)
    return dataset

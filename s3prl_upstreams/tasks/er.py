"""Emotion recognition on IEMOCAP."""

from __future__ import annotations

from pathlib import Path

from s3prl_upstreams.tasks.accuracy import accuracy_task

_FOLDS = {f"fold{k}": f"config.downstream_expert.datarc.test_fold='fold{k}'" for k in range(1, 6)}

TASK = accuracy_task(
    "er",
    "Emotion recognition",
    "emotion",
    "ER_ACC",
    ("IEMOCAP", "SUPERB"),
    variants=_FOLDS,
    paths={"datarc.root": Path.is_dir, "datarc.meta_data": Path.is_dir},
)

"""Slot filling on Audio SNIPS."""

from __future__ import annotations

from pathlib import Path

from s3prl_upstreams.tasks import ctc
from s3prl_upstreams.tasks.base import Metric, Selection, Task

TASK = Task(
    "sf",
    "Slot filling",
    "ctc",
    "sf.yaml",
    (Metric("slot_type_f1", "SF_F1", True), Metric("slot_value_cer", "SF_CER", False)),
    Selection("dev", "slot_type_f1", True, 0.0, "dev-best.ckpt"),
    ("SNIPS", "SUPERB"),
    paths={"corpus.path": Path.is_dir, "text.vocab_file": Path.is_file, "text.slots_file": Path.is_file},
    fixes=ctc.FIXES,
    is_meant=ctc.of_corpus("snips"),
)

"""Phoneme recognition on LibriSpeech."""

from __future__ import annotations

from pathlib import Path

from s3prl_upstreams.tasks import ctc
from s3prl_upstreams.tasks.base import Metric, Selection, Task

TASK = Task(
    "pr",
    "Phoneme recognition",
    "ctc",
    "pr.yaml",
    (Metric("per", "PR_PER", False),),
    Selection("dev", "per", False, float(1 << 31), "dev-best.ckpt"),
    ("LIBRISPEECH", "SUPERB"),
    paths={"corpus.path": Path.is_dir, "corpus.lexicon": Path.is_file, "text.vocab_file": Path.is_file},
    fixes=ctc.FIXES,
    is_meant=ctc.of_corpus("libriphone"),
)

"""Speech recognition in Mandarin, on Common Voice."""

from __future__ import annotations

from pathlib import Path

from s3prl_upstreams.tasks import ctc
from s3prl_upstreams.tasks.base import Metric, Selection, Task

TASK = Task(
    "asr_zh",
    "Speech recognition, Mandarin",
    "ctc",
    "asr_zh.yaml",
    (Metric("cer", "ASR_zh_CER", False),),
    Selection("dev", "cer", False, float(1 << 31), "dev-best.ckpt"),
    ("SUPERB",),
    paths={
        "corpus.path": Path.is_dir,
        "corpus.train": Path.is_file,
        "corpus.dev": Path.is_file,
        "corpus.test": Path.is_file,
        "text.vocab_file": Path.is_file,
    },
    fixes=ctc.FIXES,
    is_meant=ctc.of_corpus("common_voice"),
)

"""Speech recognition on LibriSpeech."""

from __future__ import annotations

from pathlib import Path

from s3prl_upstreams.tasks.base import Metric, Selection, Task

TASK = Task(
    "asr",
    "Speech recognition",
    "asr",
    "asr.yaml",
    (Metric("wer", "ASR_WER", False, factor=1.0),),
    Selection("dev-clean", "wer", False, 100.0, "dev-clean-best.ckpt"),
    ("LIBRISPEECH", "SUPERB"),
    dev_split="dev-clean",
    test_split="test-clean",
    paths={"datarc.libri_root": Path.is_dir, "datarc.bucket_file": Path.is_dir, "datarc.dict_path": Path.is_file},
)

"""Phoneme recognition on LibriSpeech."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from s3prl_upstreams.tasks import ctc, librispeech
from s3prl_upstreams.tasks.base import Config, Metric, ModelSelection, Task
from s3prl_upstreams.tasks.listing import Listing


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The parts of LibriSpeech by its speakers and its transcripts; a recording that isn't there is left out by itself."""
    root, parts = Path(expert["corpus"]["path"]), ctc.of_splits(expert, splits)
    yield from librispeech.speakers(root, parts)
    yield from (librispeech.transcribed(root, part) for part in parts)


TASK = Task(
    "pr",
    "Phoneme recognition",
    "ctc",
    "pr.yaml",
    (Metric("per", "PR_PER", False),),
    ModelSelection("dev", "per", False, float(1 << 31), "dev-best.ckpt"),
    ("LIBRISPEECH", "SUPERB"),
    paths={"corpus.path": Path.is_dir, "corpus.lexicon": Path.is_file, "text.vocab_file": Path.is_file},
    lists=_lists,
    fixes=ctc.FIXES,
    is_meant=ctc.of_corpus("libriphone"),
    seconds=12.0,
)

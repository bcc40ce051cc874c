"""What the tasks of s3prl's ``ctc`` expert share: PR, SF and Mandarin ASR."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection

from s3prl_upstreams.host import ctc_corpora
from s3prl_upstreams.tasks.base import Config


def of_corpus(name: str) -> Callable[[Config], bool]:
    """Whether a run's corpus is the one that s3prl calls so."""
    return lambda expert: str((expert.get("corpus") or {}).get("name", "")).lower() == name


def of_splits(expert: Config, splits: Collection[str]) -> list[str]:
    """What a run's corpus names for these splits: parts of it, or tables."""
    return [name for split in splits for name in expert["corpus"].get(split) or ()]


def provide_corpora(config: Config) -> None:
    """PR and SF: the package on PyPI lacks their corpora's code (a folder without ``__init__.py``)."""
    ctc_corpora.provide()


def keep_worker_count(config: Config) -> None:
    """PR and SF: making a loader takes ``num_workers`` out of the settings, so that the next one falls back to 12."""
    expert = importlib.import_module("s3prl.downstream.ctc.expert")
    data = importlib.import_module("s3prl.downstream.ctc.data")
    expert.load_dataset = lambda split, tokenizer, corpus: data.load_dataset(split, tokenizer, dict(corpus))


FIXES = (provide_corpora, keep_worker_count)

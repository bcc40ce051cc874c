"""Whether the files of a manifest are there: the cheap part of checking it, for every start of a training run.

Asking for one file after another takes minutes for a corpus on a network file system.  Here every folder is listed once,
several at a time: LibriSpeech's 281,241 training files lie in 5,466 folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from fairseq_budget.data.archives.stretch import file_of
from fairseq_budget.data.manifest import Utterances

BLOCK = 50_000
"""Files whose names are in memory at a time."""

_LISTERS = 16
"""Listing waits for the file system, not for the processor."""


def missing(utterances: Utterances) -> Iterator[tuple[int, str]]:
    """Every (utterance, file name below the root) whose file, or archive, isn't there, or is no file; links are followed."""
    names = utterances.names()
    with ThreadPoolExecutor(_LISTERS) as listers:
        while block := [(index, *file_of(name).rpartition("/")) for index, name in islice(names, BLOCK)]:
            folders = list(dict.fromkeys(folder for _, folder, _, _ in block))
            there = dict(zip(folders, listers.map(_files, [utterances.root / folder for folder in folders]), strict=True))
            for index, folder, slash, file in block:
                if file not in there[folder]:
                    yield index, folder + slash + file


def _files(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:
        return frozenset()

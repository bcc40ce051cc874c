"""Whether the files of a manifest are there: the cheap part of checking it, for every start of a training run.

Asking for one file after another takes minutes for a corpus on a network file system.  Here every folder is listed once,
several at a time: LibriSpeech's 281,241 training files lie in 5,466 folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from fairseq_budget.data.archives.stretch import file_of
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.rows import row_names

_LISTERS = 16
"""Listing waits for the file system, not for the processor."""


_NUMBERS = "0123456789:\t"
"""What follows the file in a row: a stretch's place, if it is of an archive, offset and samples."""


def missing(utterances: Utterances) -> Iterator[tuple[int, str]]:
    """Every (utterance, file name below the root) whose file, or archive, isn't there, or is no file; links are followed."""
    listed: dict[str, frozenset[str]] = {}
    with ThreadPoolExecutor(_LISTERS) as listers:

        def gone(files: set[str]) -> set[str]:
            """Those that aren't there.  Neighbours in a manifest mostly share their folder."""
            nonlocal listed
            listed = {folder: listed.get(folder, frozenset()) for folder in set(map(_folder, files))}
            new = [folder for folder, there in listed.items() if not there]
            listed |= zip(new, listers.map(_files, [utterances.root / folder for folder in new]), strict=True)
            return {file for file in files if file[len(_folder(file)) :] not in listed[_folder(file)]}

        for first, rows in utterances.rows():
            # at once, and right where a row has one name that doesn't end with a digit; otherwise one by one
            if not gone({row.rstrip(_NUMBERS) for row in rows}):
                continue
            names = [list(map(file_of, row_names(row))) for row in rows]
            lost = gone(set(chain.from_iterable(names)))
            yield from ((index, file) for index, own in enumerate(names, first) for file in own if file in lost)


def _folder(file: str) -> str:
    """With its last slash, if it has one."""
    return file[: file.rfind("/") + 1]


def _files(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:
        return frozenset()

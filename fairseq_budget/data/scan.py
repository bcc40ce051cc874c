"""Finding the audio below a folder and measuring it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NoReturn

import numpy as np

from fairseq_budget.data.audio import frames_at_16k, info
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError

EXTENSIONS = (".flac", ".wav", ".ogg", ".opus", ".mp3")
"""File name endings (lower case) that are taken for audio."""

# Reading headers waits for the disk, not for the processor; more threads than cores help on network file systems.
_READERS = 8

_FILES_OF_A_TASK = 64
"""A task of the pool takes more memory than the name of a file."""


def scan(root: str | Path, extensions: tuple[str, ...] = EXTENSIONS) -> Manifest:
    """A manifest of every audio file below `root`, in sorted order.

    Hidden files and folders (names that start with a dot) are left out; links are followed.
    Raises BudgetError if there is none, or naming the first file whose header cannot be read.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        raise BudgetError(f"folder `{root}` does not exist: name the folder that holds the audio")
    paths = sorted(_audio_below(root, extensions))
    if not paths:
        raise BudgetError(f"no audio below `{root}`: looked for {', '.join(extensions)}; name another folder")
    return Manifest(root, paths, _measure(root, paths))


def _audio_below(root: Path, extensions: tuple[str, ...]) -> Iterator[str]:
    for folder, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(folder, name)]
        for name in files:
            if name.lower().endswith(extensions) and not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def _refuse(error: OSError) -> NoReturn:
    raise BudgetError(f"folder `{error.filename}` cannot be listed ({error.strerror}): make it readable") from error


def _leads_back(folder: str, name: str) -> bool:
    """Whether a folder is a link to one that it lies in, which would be walked for ever."""
    path = Path(folder, name)
    return path.is_symlink() and Path(folder).resolve().is_relative_to(path.resolve())


def _measure(root: Path, names: list[str]) -> np.ndarray:
    """Lengths in samples at 16 kHz.  Shape: (N,)."""
    tasks = (names[start : start + _FILES_OF_A_TASK] for start in range(0, len(names), _FILES_OF_A_TASK))
    with ThreadPoolExecutor(_READERS) as readers:
        lengths = chain.from_iterable(readers.map(lambda task: [frames_at_16k(info(root / name)) for name in task], tasks))
        try:
            return np.fromiter(tracked(lengths, "reading headers", len(names)), dtype=np.int64, count=len(names))
        finally:
            readers.shutdown(wait=False, cancel_futures=True)

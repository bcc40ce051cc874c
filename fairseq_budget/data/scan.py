"""Finding the audio below a folder, or in the archives below it, and measuring it."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np

from fairseq_budget.data.archives.index import Member, index
from fairseq_budget.data.archives.seals import Seal, seal
from fairseq_budget.data.archives.stretch import ENDINGS
from fairseq_budget.data.audio import frames_at_16k, info
from fairseq_budget.data.manifest import Manifest, checked_name
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError

logger = logging.getLogger(__name__)

EXTENSIONS = (".flac", ".wav", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".sph", ".w64")
"""File name endings (lower case) that are taken for audio; libsndfile reads them."""

UNREADABLE = (".m4a", ".m4b", ".mp4", ".aac", ".wma", ".webm", ".mka", ".amr", ".3gp", ".ape", ".wv", ".shn", ".ra")
"""Endings of audio that libsndfile doesn't read: counted and named, so that nobody misses them without a word."""

PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Endings of archives whose members lie nowhere as they are."""

SHOWN = 5
"""Bad files that a message names; it tells how many there are."""

# Reading headers waits for the disk, not for the processor; more threads than cores help on network file systems.
_READERS = 8

_FILES_OF_A_TASK = 64
"""A task of the pool takes more memory than the name of a file."""


def scan(
    root: str | Path,
    extensions: tuple[str, ...] = EXTENSIONS,
    skip_bad: bool = False,
    remedy: str = "`--skip-bad` leaves them out",
) -> Manifest:
    """A manifest of every audio file below `root`, in sorted order; if there is none, of the members of the archives there.

    Archives beside files may be what these were unpacked from, and are left out with a note, as are files of formats that
    cannot be read.  `root` may be an archive itself.  Hidden files and folders (names that start with a dot) are left out;
    links are followed.

    Args:
        skip_bad: go on without files whose header cannot be read, with a note that names them.
        remedy: what to do about such files, for the error.

    Raises:
        BudgetError: there is no audio; or files whose header cannot be read, or archives, of which it names some.
    """
    root = Path(root).absolute()
    is_archive = root.is_file() and root.name.lower().endswith(ENDINGS)
    if not is_archive and not root.is_dir():
        raise BudgetError(f"folder `{root}` does not exist: name the folder that holds the audio")
    left_out: Counter[str] = Counter()
    found = [root.name] if is_archive else sorted(audio_below(root, extensions + ENDINGS, left_out))
    paths = [name for name in found if not name.lower().endswith(ENDINGS)]
    archives = [name for name in found if name.lower().endswith(ENDINGS)]
    root = root.parent if is_archive else root
    seals: dict[str, Seal] = {}
    if paths:
        left_out.update(Path(name).suffix.lower() for name in archives)
    else:
        paths, seals = _members(root, archives, extensions, left_out, skip_bad)
    note = _note(left_out)
    if not paths:
        beside = f" ({note})" if note else ""
        looked = f"looked for {', '.join(extensions)}, also in {', '.join(ENDINGS)}"
        raise BudgetError(f"no audio below `{root}`: {looked}{beside}; name another folder")
    if note:
        logger.warning("below `%s`, %s", root, note)
    lengths = _measure(root, paths)
    if bad := [str(length) for length in lengths if isinstance(length, BudgetError)]:
        _answer(bad, len(paths), skip_bad, remedy)
    good = [(path, length) for path, length in zip(paths, lengths, strict=True) if isinstance(length, int)]
    return Manifest(root, [path for path, _ in good], np.array([length for _, length in good], dtype=np.int64), seals)


def _members(
    root: Path, archives: list[str], extensions: tuple[str, ...], left_out: Counter[str], skip_bad: bool
) -> tuple[list[str], dict[str, Seal]]:
    """The audio in archives, by names of stretches below `root`, and what the archives are like."""
    names: list[str] = []
    seals: dict[str, Seal] = {}
    bad: list[str] = []
    for archive in tracked(archives, "reading archives", len(archives)):
        try:
            checked_name(archive)
            found = list(_audio_of(root / archive, extensions, left_out))
            seals[archive] = seal(root / archive)
        except BudgetError as error:
            bad.append(str(error))
            continue
        names += [f"{archive}:{member.offset}:{member.size}" for member in found]
    if bad:
        _answer(bad, len(archives), skip_bad, "`--skip-bad` leaves them out")
    return names, seals


def _audio_of(archive: Path, extensions: tuple[str, ...], left_out: Counter[str]) -> Iterator[Member]:
    for member in index(archive).members:
        if _is_hidden(member.name):
            continue
        if member.name.lower().endswith(extensions):
            if not member.stored:
                raise BudgetError(
                    f"`{archive}`, member `{member.name}`: packed or encrypted, so it can't be read where it lies; make the "
                    "archive again without compression (`zip -0`, or `fairseq-budget corpus pack`)"
                )
            yield member
        elif (ending := PurePosixPath(member.name).suffix.lower()) in UNREADABLE:
            left_out[ending] += 1


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _note(left_out: Counter[str]) -> str:
    """What isn't read, and what to do about it."""
    remedies = {
        UNREADABLE: "formats that can't be read are left out: {} (convert them to FLAC)",
        ENDINGS: "archives are left out: {} (there is audio beside them; give archives a folder of their own)",
        PACKED: "compressed archives are left out: {} (unpack them, or make them tar files)",
    }
    counts = {
        remedy: ", ".join(f"{count} {ending}" for ending, count in sorted(left_out.items()) if ending in endings)
        for endings, remedy in remedies.items()
    }
    return "; ".join(remedy.format(told) for remedy, told in counts.items() if told)


def _answer(bad: list[str], of: int, skip: bool, remedy: str) -> None:
    """Tell of the files that can't be used: all at once, rather than one at each attempt."""
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    told = f"{len(bad)} of {of} files can't be used: {'; '.join(bad[:SHOWN])}{more}"
    if not skip or len(bad) == of:
        raise BudgetError(bad[0] if of == 1 else f"{told}; {remedy}")
    logger.warning("%s", told)


def audio_below(root: Path, extensions: tuple[str, ...], left_out: Counter[str]) -> Iterator[str]:
    """Names below `root` of the files with these endings; of what can't be read, endings are counted."""
    for folder, folders, files in os.walk(root, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(folder, name)]
        for name in files:
            if name.startswith("."):
                continue
            if name.lower().endswith(extensions):
                yield Path(folder, name).relative_to(root).as_posix()
            elif (ending := Path(name).suffix.lower()) in UNREADABLE:
                left_out[ending] += 1
            elif packed := next(filter(name.lower().endswith, PACKED), None):
                left_out[packed] += 1


def _length(path: Path) -> int | BudgetError:
    try:
        return frames_at_16k(info(path))
    except BudgetError as error:
        return error


def _refuse(error: OSError) -> NoReturn:
    raise BudgetError(f"folder `{error.filename}` cannot be listed ({error.strerror}): make it readable") from error


def _leads_back(folder: str, name: str) -> bool:
    """Whether a folder is a link to one that it lies in, which would be walked for ever."""
    path = Path(folder, name)
    return path.is_symlink() and Path(folder).resolve().is_relative_to(path.resolve())


def _measure(root: Path, names: list[str]) -> list[int | BudgetError]:
    """Lengths in samples at 16 kHz, or what is wrong."""
    tasks = (names[start : start + _FILES_OF_A_TASK] for start in range(0, len(names), _FILES_OF_A_TASK))
    with ThreadPoolExecutor(_READERS) as readers:
        lengths = chain.from_iterable(readers.map(lambda task: [_length(root / name) for name in task], tasks))
        try:
            return list(tracked(lengths, "reading headers", len(names)))
        finally:
            readers.shutdown(wait=False, cancel_futures=True)

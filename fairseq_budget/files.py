"""Files that appear whole or not at all, and are on the disk before they have their name."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic(path: Path, outlives_the_power: bool = True) -> Iterator[Path]:
    """A name to write to, in the same folder; the file takes its own name only when everything went well.

    After an error or an interruption the old file, if there was one, stands as it did.  What is written again in a moment
    needn't outlive a power failure: without waiting for the disk.
    """
    # the process's number keeps two writers of one file apart
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        if outlives_the_power:
            sync(partial)
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk: a name that outlives a power failure must not name an empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal digits; it is read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file; the copy has its name when it is complete."""
    with atomic(target) as partial:
        shutil.copyfile(source, partial)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file, which costs no space (a hard link); a copy where the file system has no links."""
    with atomic(target) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)

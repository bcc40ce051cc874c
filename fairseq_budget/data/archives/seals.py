"""Which archives a manifest was made of: kept beside it, in `NAME.archives.json`, so that one that changed is refused.

An archive of the same size and time of change is taken to be the same.  One of another time, a copy maybe, is the same if
its index is (`index.Index.digest`); its new time is then noted, so that the next start needn't read the index again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fairseq_budget.data.archives.index import index
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

_ENDING = ".archives.json"
_READERS = 16
"""Asking for a file waits for the file system, not for the processor."""


class Seal(NamedTuple):
    """An archive as it was: bytes, time of change, digest of its index."""

    size: int
    changed_ns: int
    digest: str


def seal(archive: Path) -> Seal:
    """Of an archive as it is.

    Raises:
        BudgetError: as :func:`index` does.
    """
    told = archive.stat()
    return Seal(told.st_size, told.st_mtime_ns, index(archive).digest)


def seals_path(manifest: Path) -> Path:
    """Where those of a manifest are kept."""
    return manifest.with_name(manifest.stem + _ENDING)


def write_seals(manifest: Path, seals: Mapping[str, Seal]) -> None:
    """Keep the seals of the archives below the manifest's root, or none: those of an older manifest go."""
    path = seals_path(manifest)
    if not seals:
        path.unlink(missing_ok=True)
        return
    with atomic(path) as partial:
        partial.write_text(json.dumps(seals, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def read_seals(manifest: Path) -> dict[str, Seal]:
    """By the archive's name below the root; none where nothing was kept, as beside manifests of other tools.

    Raises:
        BudgetError: the file isn't one of seals.
    """
    path = seals_path(manifest)
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): Seal(int(size), int(changed), str(digest)) for name, (size, changed, digest) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BudgetError(f"`{path}` doesn't tell which archives `{manifest}` was made of: make both again") from error


def check_seals(manifest: Path, root: Path, seals: dict[str, Seal]) -> dict[str, Seal]:
    """The seals, with the times that archives have now.  One that isn't there is `data/presence.py`'s affair.

    Raises:
        BudgetError: an archive has changed.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        now = dict(zip(seals, readers.map(lambda name: _renewed(manifest, root / name, seals[name]), seals), strict=True))
    if now != seals:
        with suppress(OSError):
            write_seals(manifest, now)
    return now


def _renewed(manifest: Path, archive: Path, known: Seal) -> Seal:
    try:
        told = archive.stat()
    except OSError:
        return known
    if (told.st_size, told.st_mtime_ns) == known[:2]:
        return known
    if told.st_size != known.size or index(archive).digest != known.digest:
        raise BudgetError(
            f"`{archive}` has changed since `{manifest}` was made of it: make the manifest again with `fairseq-budget "
            "manifest`, or put the archive back"
        )
    return Seal(known.size, told.st_mtime_ns, known.digest)

"""Unpacking archives that came from elsewhere: nothing of them lands outside the folder meant for it."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fairseq_budget.errors import BudgetError


def unpack(archive: Path, folder: Path, progress: Callable[[int], None]) -> None:
    """Unpack a `.tar.gz` of plain files and folders into `folder`.  `progress` is told the bytes read of the archive.

    Corpora hold nothing but files and folders, so links (which could lead elsewhere) and devices are refused altogether,
    before Python's own ``data`` filter (PEP 706) looks at owners and permissions.

    Raises:
        BudgetError: naming archive and member: a path that leaves the folder, a link, a device, a damaged archive, or no
            room.  What was unpacked before lies in `folder`.
    """
    try:
        # tarfile's own "r|gz" stops without a word where the compressed data are damaged; GzipFile compares lengths and CRC
        with archive.open("rb") as file, gzip.GzipFile(fileobj=file) as content:
            with tarfile.open(fileobj=content, mode="r|") as tar:
                for member in tar:
                    _refuse_strange(archive, member)
                    tar.extract(member, folder, filter="data")
                    progress(file.tell())
            while content.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BudgetError(f"`{archive}` is damaged ({error}): delete it and get it again") from error
    except OSError as error:
        raise BudgetError(f"`{archive}` can't be unpacked into `{folder}` ({error.strerror or error})") from error


def _refuse_strange(archive: Path, member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise BudgetError(f"`{archive}` holds `{member.name}`, which leads out of the folder: don't trust this archive")
    if not (member.isfile() or member.isdir()):
        kind = "a link" if member.issym() or member.islnk() else "a device"
        raise BudgetError(f"`{archive}` holds {kind}, `{member.name}`: don't trust this archive")

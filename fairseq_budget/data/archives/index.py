"""What an archive holds: names and places of its members, read by Python's own modules and believed as far as the file goes.

Nothing is unpacked, so a member's name leads nowhere; names that would lead somewhere, and members that aren't plain files,
are refused all the same: whoever unpacks the archive elsewhere, or reads its names in a log, is no worse off for it.
"""

from __future__ import annotations

import functools
import hashlib
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from fairseq_budget.data.archives.stretch import stretch_of
from fairseq_budget.errors import BudgetError

_BLOCK = 512
"""Bytes of a tar's block."""
_HEADER_BYTES = 1 << 20
"""A member's headers are believed up to this."""
_FIRST_BYTES = 256
"""Bytes of each member that its archive's digest covers: FLAC has the checksum of all its audio in them."""
_LOCAL = struct.Struct("<4s5H3L2H")
"""The header before a zip's member (APPNOTE.TXT, 4.3.7)."""
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED, _LINK, _TYPE = 0x1, 0xA, 28
_KEPT = 64
"""Archives whose members are remembered."""


class Member(NamedTuple):
    """A file in an archive: its name, and where its bytes are.  `stored`: as they are, neither packed nor encrypted."""

    name: str
    offset: int
    size: int
    stored: bool = True


class Index(NamedTuple):
    """The members in the order of their bytes, and a digest of what and where they are, and of how each begins."""

    members: tuple[Member, ...]
    digest: str


def index(archive: Path) -> Index:
    """The plain files in a tar or zip.

    Raises:
        BudgetError: naming archive and member: no such archive, or a damaged one; a link, a device, a sparse file; a name
            that occurs twice, leads out of the archive, or can't be printed; bytes beyond the end, or in two members.
    """
    told = archive.stat()
    return _index(archive, told.st_size, told.st_mtime_ns)


def member_of(path: str | Path) -> str | None:
    """The name, in its archive, of a stretch's member; None for what is no member, or in no readable archive."""
    there = stretch_of(path)
    if there is None:
        return None
    try:
        told = there.archive.stat()
        return _names(there.archive, told.st_size, told.st_mtime_ns).get((there.offset, there.size))
    except (BudgetError, OSError):
        return None


def shown(path: Path) -> str:
    """A file, or an archive with member and place, for messages."""
    there = stretch_of(path)
    if there is None:
        return f"`{path}`"
    member = member_of(path)
    return f"`{there.archive}`, {f'member `{member}`' if member else f'{there.size:,} bytes'} at byte {there.offset}"


@functools.lru_cache(_KEPT)
def _names(archive: Path, size: int, changed_ns: int) -> dict[tuple[int, int], str]:
    return {(member.offset, member.size): member.name for member in _index(archive, size, changed_ns).members}


@functools.lru_cache(1)
def _index(archive: Path, size: int, changed_ns: int) -> Index:
    read = _zip_members if archive.suffix.lower() == ".zip" else _tar_members
    try:
        with archive.open("rb") as file:
            members = sorted(read(archive, file, size), key=lambda member: member.offset)
            _refuse_strange(archive, members, size)
            return Index(tuple(members), _digest(file, members, size))
    except OSError as error:
        raise BudgetError(f"`{archive}` cannot be read ({error.strerror or error}): copy it again") from error
    except (tarfile.TarError, zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OverflowError) as error:
        raise BudgetError(f"`{archive}` is damaged, or no {archive.suffix} ({error}): copy it again") from error


def _digest(file: BinaryIO, members: list[Member], size: int) -> str:
    total = hashlib.sha256(f"{size}\n".encode())
    for member in members:
        file.seek(member.offset)
        first = file.read(min(member.size, _FIRST_BYTES))
        total.update(f"{member.name}\n{member.offset} {member.size}\n".encode("utf-8", "surrogateescape") + first)
    return total.hexdigest()


class _Headers:
    """A tar's file, of which nothing is read but headers: one that claims to be larger is no reason to take memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int) -> bytes:
        if count > _HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {count:,} bytes at byte {self.tell()}")
        return self._file.read(count)


def _tar_members(archive: Path, file: BinaryIO, size: int) -> Iterator[Member]:
    headers: Any = _Headers(file)
    opened: Any = tarfile.open(fileobj=headers, mode="r:")
    with opened as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # it would keep them all
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                kind = "a link" if member.islnk() or member.issym() else "a sparse file" if member.issparse() else "a device"
                raise _strange(archive, member.name, f"is {kind}")
            yield Member(member.name, member.offset_data, member.size)
        end = tar.offset
    # tarfile takes anything that is no header for the end
    file.seek(end)
    while rest := file.read(_HEADER_BYTES):
        if rest.strip(b"\0"):
            raise tarfile.ReadError(f"what follows byte {end} is no member; a joined archive has to be divided")


def _zip_members(archive: Path, file: BinaryIO, size: int) -> Iterator[Member]:
    with zipfile.ZipFile(file) as content:
        for info in content.infolist():
            if info.is_dir():
                continue
            if info.external_attr >> _TYPE == _LINK:
                raise _strange(archive, info.filename, "is a link")
            file.seek(info.header_offset)
            signature, *_, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
            if signature != _LOCAL_SIGNATURE:
                raise zipfile.BadZipFile(f"no member at byte {info.header_offset}")
            packed = info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED
            if not packed and info.compress_size != info.file_size:
                raise zipfile.BadZipFile(f"`{info.filename}` has two sizes")
            yield Member(info.filename, info.header_offset + _LOCAL.size + name + extra, info.compress_size, not packed)


def _refuse_strange(archive: Path, members: list[Member], size: int) -> None:
    known: set[str] = set()
    end = 0
    for name, offset, length, _ in members:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise _strange(archive, name, "leads out of the archive")
        if not name.isprintable():
            raise _strange(archive, name, "has a name that can't be printed")
        if str(path) in known:
            raise _strange(archive, name, "is there twice")
        if length < 0 or offset + length > size:
            raise _strange(archive, name, f"would end at byte {offset + length:,} of {size:,}")
        if offset < end:
            raise _strange(archive, name, "has bytes of another member")
        known.add(str(path))
        end = offset + length


def _strange(archive: Path, name: str, what: str) -> BudgetError:
    return BudgetError(f"`{archive}`, member {name[:200]!r}: {what}; make the archive again without it")

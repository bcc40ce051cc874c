"""The zip archive that ``torch.save`` writes, checked before anything in it is used.

torch stores its members uncompressed, one after the other, with a CRC-32 for each, which ``torch.load`` doesn't look at.  An
archive of another form is refused: it was damaged, or made to be read differently by different programs, or to be small on
the disk and huge in memory.  Layout: PKWARE's APPNOTE, sections 4.3.7 (local header), 4.3.12 to 4.3.16 (the end).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

MOST_MEMBERS = 100_000
"""A member is a tensor or one of a few small files; the largest models have some thousands."""
MOST_DIRECTORY_BYTES = 2**24
SIGNATURE = b"PK\x03\x04"

_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_IN_ZIP64 = (0xFFFF, 0xFFFFFFFF)
_DESCRIPTOR_BYTES = 24
_CHUNK = 2**22


def is_archive(path: Path) -> bool:
    """Whether torch will read the file as an archive: it looks at the first bytes alone."""
    with path.open("rb") as file:
        return file.read(4) == SIGNATURE


def check_archive(path: Path) -> dict[str, int]:
    """The sizes of an archive's members by their name without the folder that holds all, such as ``data/0``.

    Every byte is read once, in pieces.

    Raises:
        ValueError: the archive is not of the form that torch writes, or a member's bytes are not those that were written.
        OSError, zipfile.BadZipFile: it can't be read.
    """
    with path.open("rb") as file:
        directory = _directory(file, path.stat().st_size)
        with zipfile.ZipFile(file) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.header_offset)
        sizes = _sizes(members)
        ends = [member.header_offset for member in members[1:]] + [directory]
        if members[0].header_offset:
            raise ValueError("something stands before its first member")
        for member, end in zip(members, ends, strict=True):
            _check_member(file, member, end)
    return sizes


def _directory(file: BinaryIO, size: int) -> int:
    """Where the list of members begins; it must reach to the records at the end of the file."""
    place = size - _END.size
    signature, *_, entries, length, start, comment = _unpack(_END, file, place)
    if signature != b"PK\x05\x06" or comment:
        raise ValueError("it doesn't end with an archive's last record")
    signature, _, found, _ = _unpack(_LOCATOR, file, place - _LOCATOR.size) if place >= _LOCATOR.size else (b"", 0, 0, 0)
    if signature == b"PK\x06\x07":
        place -= _LOCATOR.size + _END64.size
        signature, _, _, _, _, _, here, total, length64, start64 = _unpack(_END64, file, place)
        for short, long in ((entries, total), (length, length64), (start, start64)):
            if short not in (long, *_IN_ZIP64):
                raise ValueError("its two last records contradict each other")
        if signature != b"PK\x06\x06" or found != place or here != total:
            raise ValueError("its last records contradict each other")
        entries, length, start = total, length64, start64
    if not 0 < entries <= MOST_MEMBERS or length > MOST_DIRECTORY_BYTES or start + length != place:
        raise ValueError(f"it claims {entries} members, listed in {length} bytes from byte {start}")
    return int(start)


def _unpack(form: struct.Struct, file: BinaryIO, place: int) -> tuple[Any, ...]:
    file.seek(max(place, 0))
    content = file.read(form.size)
    if place < 0 or len(content) < form.size:
        raise ValueError("it ends too early")
    return form.unpack(content)


def _sizes(members: list[zipfile.ZipInfo]) -> dict[str, int]:
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"it has two members `{next(name for name in names if names.count(name) > 1)}`")
    if len({name.partition("/")[0] for name in names}) > 1:
        raise ValueError("its members don't lie in one folder")
    return {member.filename.partition("/")[2]: member.file_size for member in members}


def _check_member(file: BinaryIO, member: zipfile.ZipInfo, end: int) -> None:
    """Refuse a member that isn't stored as it is, from its header to `end`, or whose bytes don't have its CRC."""
    name = member.filename
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size or member.flag_bits & 1:
        raise ValueError(f"its member `{name}` is compressed or encrypted, which torch.save doesn't do")
    signature, _, flags, method, *_, packed, size, name_length, extra = _unpack(_LOCAL, file, member.header_offset)
    in_descriptor = bool(flags & 8)
    known = (member.file_size, 0xFFFFFFFF, *([0] if in_descriptor else []))
    if signature != SIGNATURE or method != zipfile.ZIP_STORED or packed not in known or size not in known:
        raise ValueError(f"its member `{name}` has two headers that contradict each other")
    if file.read(name_length) != name.encode("utf-8"):
        raise ValueError(f"its member `{name}` has two names")
    start = member.header_offset + _LOCAL.size + name_length + extra
    if not 0 <= end - start - member.file_size <= (_DESCRIPTOR_BYTES if in_descriptor else 0):
        raise ValueError(f"its member `{name}` overlaps another one, or something lies behind it")
    if _crc(file, start, member.file_size) != member.CRC:
        raise ValueError(f"its member `{name}` has changed since it was written: the checksum differs")


def _crc(file: BinaryIO, start: int, size: int) -> int:
    file.seek(start)
    value = 0
    while size:
        content = file.read(min(size, _CHUNK))
        if not content:
            raise ValueError("it ends too early")
        value, size = zlib.crc32(content, value), size - len(content)
    return value

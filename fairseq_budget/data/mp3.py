"""MP3 files that don't say how long they are.

An encoder of variable bit rates writes a first frame that holds the number of frames ("Xing", or Fraunhofer's "VBRI").
Where it was cut off, or never written, libsndfile takes the first frame's bit rate for that of all, and reads no further
than the length that follows.  So such a file's frames are counted, and it is read with a first frame of that kind before it.

Headers of frames: ISO/IEC 11172-3 and 13818-3, 2.4.1.3; the Xing frame as LAME and mpg123 have it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fairseq_budget.data.archives.stretch import opened

_BITRATES = {  # kbit/s of layer III by index 1 to 14
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz by version
_SYNC, _LAYER_3, _MONO = 0x7FF, 1, 3
_TAGS = (b"Xing", b"Info", b"VBRI")
_FIRST = 64
"""Bytes in which a first frame's tag stands: behind a header and at most 32 bytes of side information."""
_COUNTED = 1
"""The flag of a Xing frame that holds the number of frames alone."""


@dataclass(frozen=True)
class _Frame:
    """A frame's header: the bits but for bit rate and padding, its bytes, and the bytes of its side information."""

    kind: int
    bitrate: int
    size: int
    side: int


@contextmanager
def opened_with_length(path: Path) -> Iterator[str | BinaryIO]:
    """What libsndfile reads an MP3 from: the file itself, or its bytes with the number of frames before them."""
    with opened(path) as source:
        told = _with_length(source) if isinstance(source, io.BufferedReader) else _of_file(path)
        yield source if told is None else io.BytesIO(told)


def _of_file(path: Path) -> bytes | None:
    with path.open("rb") as file:
        return _with_length(file)


def _with_length(file: io.BufferedReader) -> bytes | None:
    """An MP3's bytes behind a frame with their number of frames; None where it tells its length, or needn't."""
    start = _start(file.read(10))
    file.seek(start)
    head = file.read(_FIRST)
    file.seek(0)
    if any(tag in head for tag in _TAGS):
        return None
    file.seek(start)
    data = file.read()
    file.seek(0)
    frames = list(_frames(data))
    return _counted(frames) + data if len({frame.bitrate for frame in frames}) > 1 else None


def _start(head: bytes) -> int:
    """Where the first frame begins: behind an ID3v2 tag, whose size has seven bits a byte."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frames(data: bytes) -> Iterator[_Frame]:
    """Whole frames, one after the other, up to what is none (a tag at the end, or damage)."""
    place = 0
    while place + 4 <= len(data) and (frame := _frame(struct.unpack_from(">I", data, place)[0])):
        if (place := place + frame.size) > len(data):
            return
        yield frame


def _frame(header: int) -> _Frame | None:
    version, layer, index, rate = header >> 19 & 3, header >> 17 & 3, header >> 12 & 15, header >> 10 & 3
    if header >> 21 != _SYNC or version not in _RATES or layer != _LAYER_3 or index in (0, 15) or rate == 3:
        return None
    first, mono = version == 3, header >> 6 & 3 == _MONO
    bitrate = _BITRATES[first][index - 1]
    size = (144_000 if first else 72_000) * bitrate // _RATES[version][rate] + (header >> 9 & 1)
    side = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}[first, mono]
    return _Frame(header & ~0xF200 | 0x10000, bitrate, size, side)  # without bit rate, padding and checksum


def _counted(frames: list[_Frame]) -> bytes:
    """A frame of silence that tells how many follow."""
    kind = frames[0].kind
    for index in range(1, 15):
        header = kind | index << 12
        tag = bytes(frames[0].side) + struct.pack(">4sII", b"Xing", _COUNTED, len(frames))
        if (frame := _frame(header)) and frame.size >= 4 + len(tag):
            return (struct.pack(">I", header) + tag).ljust(frame.size, b"\0")
    raise AssertionError("the highest bit rate has room for a tag")

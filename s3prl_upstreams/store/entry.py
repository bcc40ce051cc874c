"""One utterance's hidden states as a file: a header with a checksum, and the numbers, which are used where they are mapped.

Letters: L states of a frame (a Transformer's layers and its input), F frames, D width.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np

MAGIC = b"HIDDEN01"
_HEADER = struct.Struct("<8s4sIII32s8x")  # 64 bytes: what follows lies where processors like to read
_TYPES = {b"fp32": np.dtype("<f4"), b"fp16": np.dtype("<f2")}


class Damaged(ValueError):
    """A file isn't what was written under its key; says in what."""


def encode(key: str, states: np.ndarray) -> tuple[bytes, memoryview]:
    """Header and content of the file for `states`.  Shape: (L, F, D) of float32 or float16."""
    values = np.ascontiguousarray(states)
    content = memoryview(values).cast("B")
    name = next(name for name, dtype in _TYPES.items() if dtype == values.dtype)
    return _HEADER.pack(MAGIC, name, *values.shape, _checksum(key, name, values.shape, content)), content


def decode(key: str, file: np.ndarray, verify: bool) -> np.ndarray:
    """The states in a mapped file, without a copy.  Shape: (bytes,) -> (L, F, D).

    With `verify`, every byte is compared with the checksum, which is of the key, too: one under another name is noticed.
    Raises Damaged.
    """
    if file.size < _HEADER.size:
        raise Damaged("it ends in its header")
    magic, name, *shape, checksum = _HEADER.unpack(file[: _HEADER.size].tobytes())
    if magic != MAGIC or name not in _TYPES:
        raise Damaged("its header isn't one")
    content = file[_HEADER.size :]
    if content.size != int(np.prod(shape, dtype=object)) * _TYPES[name].itemsize:
        raise Damaged("its length is wrong")
    if verify and checksum != _checksum(key, name, tuple(shape), memoryview(content)):
        raise Damaged("its checksum differs")
    return content.view(_TYPES[name]).reshape(shape)


def size(states: int, frames: int, width: int, half: bool) -> int:
    """Bytes of a file."""
    return _HEADER.size + states * frames * width * _TYPES[b"fp16" if half else b"fp32"].itemsize


def _checksum(key: str, name: bytes, shape: tuple[int, ...], content: memoryview) -> bytes:
    digest = hashlib.sha256(f"{key} {name.decode()} {shape}".encode())
    digest.update(content)
    return digest.digest()

"""numpy's files, read as data and as large as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fairseq_budget.errors import BudgetError

_DIGEST_BYTES = 32


def read_array(path: Path) -> np.ndarray:
    """The array in an ``.npy`` file; nothing is unpickled, and the header is believed as far as the file's size allows.

    Raises:
        BudgetError: the file is missing or damaged, or not one of an array of numbers.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(values, np.ndarray):
            return np.array(values)
    except Exception as error:  # numpy's reader may fail in any way
        raise BudgetError(f"`{path}` is no array of numbers ({str(error)[:100]}): delete it and start again") from error
    raise BudgetError(f"`{path}` holds several arrays: delete it and start again")


def write_sealed(file: BinaryIO, values: np.ndarray) -> None:
    """Write an array and, behind it, the SHA-256 of its numbers; other readers of ``.npy`` don't look behind the array."""
    np.save(file, values)
    file.write(hashlib.sha256(values.tobytes()).digest())


def read_sealed(path: Path) -> np.ndarray:
    """The array that :func:`write_sealed` wrote.

    Raises:
        BudgetError: see :func:`read_array`; or the numbers aren't those that were written.
    """
    values = read_array(path)
    with path.open("rb") as file:
        file.seek(-_DIGEST_BYTES, 2)
        if file.read() != hashlib.sha256(values.tobytes()).digest():
            raise BudgetError(f"`{path}` has changed since it was written: delete it and start again")
    return values

"""Reading a checkpoint as data: tensors and plain values come back, nothing that the file names is imported or run.

A checkpoint is a pickle, and an ordinary unpickler runs what the pickle asks for.  torch's ``weights_only`` unpickler does
not: it interprets the instructions itself, calls only functions on a list, and never imports a name.  It refuses a file
that mentions anything else, though, and fairseq's do (dictionaries, settings, enums).  So every unlisted name that the file
mentions is looked up first, without unpickling, and given to torch as a `Placeholder`: a class that only keeps what it
was given.  Both steps use torch's public functions; what a pickle may do stays decided by torch.

How much a file may do is decided before (`archive`, `pickles`): reading ends in bounded time and memory, and a file whose
bytes changed since it was written is refused.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from fairseq_budget.checkpoints.archive import check_archive, is_archive
from fairseq_budget.checkpoints.pickles import MOST_BYTES, Scan
from fairseq_budget.errors import BudgetError
from fairseq_budget.nesting import check_nesting, parts_of

# torch.save's format before 1.6 is a sequence of pickles: magic number, version, system, the object, storage keys.
LEGACY_PICKLES = 5
STORAGE_BYTES = {
    **{"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "ComplexDouble": 16, "ComplexFloat": 8},
    **{"Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1, "Untyped": 1},
    **{"QInt32": 4, "QInt8": 1, "QUInt8": 1, "QUInt4x2": 1, "QUInt2x4": 1},
}
"""Of a number, by torch's name of a kind of storage without ``Storage``."""
NUMPY_NUMBER_CODES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}

RUN_PARTS = {"model": dict, "optimizer_history": list, "extra_state": dict}
"""What fairseq needs to go on from a checkpoint."""


class Placeholder:
    """Stands for an object of a type that is not built: keeps its arguments and its state, does nothing.

    ``type(placeholder).__name__`` is the full name that the file gave, such as ``argparse.Namespace``.
    """

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Placeholder:
        self = super().__new__(cls)
        self.args = args
        self.state = None
        return self

    def __init__(self, *_: Any, **__: Any) -> None:
        """Everything is kept by ``__new__``, the only one of the two that every pickle instruction calls."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, not built>"


def safe_load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The dictionary in a file written by ``torch.save``, tensors on the CPU, unknown objects as `Placeholder`.

    Tensors of a file in today's (zip) format are mapped from the disk, so that only those that are used are read.

    Raises:
        BudgetError: the file is missing, is no checkpoint, is cut short or changed, asks for an instruction or a module
            (``os``, ``sys``) that has no place in one, or for more time or memory than a checkpoint needs; names the file.
    """
    path = Path(path)
    names = check_file(path)
    with readable(path):
        content = _load(path, names)
        check_nesting(content, _parts)
    if not isinstance(content, dict):
        raise BudgetError(f"`{path}` holds a {type(content).__name__}, a checkpoint is a dictionary: give another file")
    return content


def check_file(path: str | os.PathLike[str]) -> frozenset[str]:
    """Check a file that a host will read by ``torch.load``; returns the names that an older format mentions.

    Raises:
        BudgetError: see `safe_load`.
    """
    path = Path(path)
    if not path.is_file():
        raise BudgetError(f"no checkpoint at `{path}`: give the path of a file such as checkpoints/checkpoint_last.pt")
    with readable(path):
        told = path.stat()
        return _check(path, told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)


def load_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """`safe_load` for a checkpoint that fairseq will continue from.

    Raises:
        BudgetError: see `safe_load`; or something is missing that fairseq needs.
    """
    state = safe_load(path)
    if missing := [name for name, kind in RUN_PARTS.items() if not isinstance(state.get(name), kind)]:
        raise BudgetError(f"`{path}` isn't a checkpoint of a run of fairseq: it has no {', '.join(missing)}")
    return state


@lru_cache(maxsize=16)
def _check(path: Path, *_: int) -> frozenset[str]:
    """A file that hasn't changed is checked once: its time and size are among the arguments."""
    return _check_zip(path) if is_archive(path) else _check_legacy(path)


def _check_zip(path: Path) -> frozenset[str]:
    sizes, scan = check_archive(path), Scan()
    if sizes.get("data.pkl", MOST_BYTES + 1) > MOST_BYTES:
        raise ValueError(f"its data.pkl is missing, or has more than {MOST_BYTES:,} bytes")
    with zipfile.ZipFile(path) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        scan.read(io.BytesIO(archive.read(f"{folder}/data.pkl")))
    for storage in scan.storages:
        wanted = storage.elements * _bytes_of(storage.kind)
        if sizes.get(f"data/{storage.key}") != wanted:
            raise ValueError(
                f"its member `{folder}/data/{storage.key}` should have {wanted} bytes, but is missing or has not"
            )
    return frozenset()


def _check_legacy(path: Path) -> frozenset[str]:
    """torch's own scan for names doesn't read files of before torch 1.6; those that it mentions are returned."""
    scan = Scan()
    with path.open("rb") as file:
        pickles = io.BytesIO(file.read(MOST_BYTES))
    for _ in range(LEGACY_PICKLES):
        scan.read(pickles)
    wanted = sum({storage.key: abs(storage.elements) * _bytes_of(storage.kind) for storage in scan.storages}.values())
    if wanted > path.stat().st_size:
        raise ValueError(f"its tensors should have {wanted} bytes, more than the file")
    return frozenset(scan.names)


def _bytes_of(kind: str) -> int:
    name = kind.rpartition(".")[2].removesuffix("Storage")
    if name not in STORAGE_BYTES:
        raise ValueError(f"it has tensors of an unknown kind, {kind}")
    return STORAGE_BYTES[name]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Make one line, a BudgetError, of whatever goes wrong: a damaged or hostile file can make a reader fail in any way."""
    try:
        yield
    except Exception as error:
        raise BudgetError(
            f"`{path}` cannot be read as a checkpoint ({_reason(error)}): "
            "it is damaged, cut short, or not written by torch.save; copy or make it again"
        ) from error


def plain(value: Any) -> Any:
    """The settings in `value` as dictionaries, lists and values: opens placeholders of argparse and omegaconf.

    Checkpoints of fairseq before 0.10 hold an ``argparse.Namespace``, some later ones omegaconf's nodes.
    """
    if isinstance(value, Placeholder):
        inside = _inside(value)
        return value if inside is value else plain(inside)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _reason(error: Exception) -> str:
    """What was wrong: the first error, as torch wraps it in advice to load the file unsafely."""
    first = error.__context__ if isinstance(error, UnpicklingError) and error.__context__ else error
    message = str(first).strip()
    return (message.splitlines() or [type(error).__name__])[0][:160]


def _inside(value: Placeholder) -> Any:
    """What a placeholder stands for: settings, an enum's value, or itself."""
    if isinstance(value.state, dict):
        return value.state.get("_content", value.state.get("_val", value.state))
    if len(value.args) == 1 and isinstance(value.args[0], str | int | float):  # an enum's member
        return value.args[0]
    return value


def _parts(value: Any) -> Iterable[Any]:
    """What `plain` goes through."""
    if not isinstance(value, Placeholder):
        return parts_of(value)
    inside = _inside(value)
    return () if inside is value else (inside,)


def _load(path: Path, names: Iterable[str]) -> Any:
    is_zip = is_archive(path)
    with _nothing_allowed():
        if is_zip:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        torch.serialization.add_safe_globals(_stand_ins(names))
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)


@contextmanager
def _nothing_allowed() -> Iterator[None]:
    """Set aside what this process allowed torch to build for other files (fairseq's classes, while training)."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _stand_ins(names: Iterable[str]) -> list[Any]:
    """(object, name) for every name that the file mentions; torch looks at its own list before this one."""
    return [(BUILT.get(name) or type(name, (Placeholder,), {}), name) for name in sorted(names)]


def _dictionary(*_: Any) -> dict[Any, Any]:
    """For ``collections.defaultdict``: torch fills real dictionaries only, and a default factory is of no use here."""
    return {}


def _list(items: Any = (), *_: Any) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else []


class _NumpyType(Placeholder):
    """A numpy dtype as (code, order): numpy's own trusts flags in its state, with which a file can forge pointers."""

    def number(self, data: bytes) -> Any:
        """The scalar whose bytes are `data`; the placeholder itself for anything but a plain number."""
        code = self.args[0] if self.args else None
        if code not in NUMPY_NUMBER_CODES:
            return self
        order = self.state[1] if isinstance(self.state, tuple) and self.state[1] in ("<", ">") else "="
        return np.frombuffer(data, dtype=np.dtype(code).newbyteorder(order), count=1)[0]


def _numpy_scalar(dtype: Any, data: Any = b"") -> Any:
    return dtype.number(data) if isinstance(dtype, _NumpyType) and isinstance(data, bytes) else Placeholder(dtype, data)


BUILT: dict[str, Any] = {
    "collections.defaultdict": _dictionary,
    "collections.deque": _list,
    "builtins.frozenset": frozenset,
    "numpy.dtype": _NumpyType,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
}

"""Reading a checkpoint as data: tensors and plain values come back, nothing that the file names is imported or run.

A checkpoint is a pickle, and an ordinary unpickler runs what the pickle asks for.  torch's ``weights_only`` unpickler does
not: it interprets the instructions itself, calls only functions on a list, and never imports a name.  It refuses a file
that mentions anything else, though, and fairseq's do (dictionaries, settings, enums).  So every unlisted name that the file
mentions is looked up first, without unpickling, and given to torch as a `Placeholder`: a class that only keeps what it
was given.  Both steps use torch's public functions; what a pickle may do stays decided by torch.
"""

from __future__ import annotations

import os
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fairseq_budget.errors import BudgetError

# torch.save's format before 1.6 is a sequence of pickles: magic number, version, system, the object, storage keys.
LEGACY_PICKLES = 4
NUMPY_NUMBER_CODES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class Placeholder:
    """Stands for an object of a type that is not built: keeps its arguments and its state, does nothing.

    ``type(placeholder).__name__`` is the full name that the file gave, such as ``argparse.Namespace``.
    """

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

    Raises BudgetError, naming the file, if it is missing, is no checkpoint, is cut short, or asks for an instruction or a
    module (``os``, ``sys``) that has no place in one.
    """
    path = Path(path)
    if not path.is_file():
        raise BudgetError(f"no checkpoint at `{path}`: give the path of a file such as checkpoints/checkpoint_last.pt")
    try:
        content = _load(path)
    except Exception as error:  # a damaged or hostile pickle can make its reader fail in any way
        raise BudgetError(
            f"`{path}` cannot be read as a checkpoint ({_reason(error)}): "
            "it is damaged, cut short, or not written by torch.save; copy or make it again"
        ) from error
    if not isinstance(content, dict):
        raise BudgetError(f"`{path}` holds a {type(content).__name__}, a checkpoint is a dictionary: give another file")
    return content


def plain(value: Any) -> Any:
    """The settings in `value` as dictionaries, lists and values: opens placeholders of argparse and omegaconf.

    Checkpoints of fairseq before 0.10 hold an ``argparse.Namespace``, some later ones omegaconf's nodes.
    """
    if isinstance(value, Placeholder):
        return _opened(value)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _reason(error: Exception) -> str:
    """What was wrong: the first error, as torch wraps it in advice to load the file unsafely."""
    message = str(error.__context__ or error).strip()
    return (message.splitlines() or [type(error).__name__])[0][:160]


def _opened(value: Placeholder) -> Any:
    if isinstance(value.state, dict):
        return plain(value.state.get("_content", value.state.get("_val", value.state)))
    if len(value.args) == 1 and isinstance(value.args[0], str | int | float):  # an enum's member
        return value.args[0]
    return value


def _load(path: Path) -> Any:
    is_zip = zipfile.is_zipfile(path)
    with _nothing_allowed():
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if is_zip else _names_of_legacy(path)
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


def _names_of_legacy(path: Path) -> set[str]:
    """The full names of all classes and functions in a file of before torch 1.6, which torch's own scan doesn't read.

    Such a file's pickles have protocol 2, which keeps Python 2's spelling of a name; it is given in Python 3's.
    """
    names = set()
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            for instruction, argument, _ in pickletools.genops(file):
                if instruction.name == "GLOBAL" and argument is not None:
                    module, name = argument.split(" ", 1)
                    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
                    names.add(f"{module}.{name}")
    return names


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

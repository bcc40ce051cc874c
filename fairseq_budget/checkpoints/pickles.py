"""A pickle's instructions, followed without building what they ask for: which names it mentions, and whether it ends.

torch's ``weights_only`` unpickler decides what a pickle may call, but not how much: a few bytes can name one list again and
again, fill a dictionary with keys that collide, or ask for a terabyte.  Here, only kinds and sizes of values are kept, and
what no checkpoint needs is refused.  Instructions that torch doesn't know are refused as by torch; any other mistake is left
for it to find.
"""

from __future__ import annotations

import io
import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from dataclasses import dataclass, field
from pickle import UnpicklingError
from typing import Any

MOST_BYTES = 2**25
MOST_INSTRUCTIONS = 1_000_000
"""HuBERT Large with its optimizer's state needs 40,000."""
MOST_NAMES = 200
MOST_CALLS = 100_000
MOST_TUPLE = 1_000
"""Values in a tuple, those of inner tuples included: a tuple's hash visits them all."""
MOST_UNUSUAL_KEYS = 1_000
"""Keys that are no text and no small number can be chosen so that each is compared with all before it."""
MOST_ARGUMENTS = 2_000
MOST_TEXT = 2**26
MOST_STATES = 50_000
SMALL = 2**60
"""Smaller integers are their own hash."""


@dataclass(slots=True)
class _Item:
    """A value on the stack: a constant, a name, a tuple of items, or a container of which only the length is known."""

    constant: Any = None
    name: str | None = None
    parts: tuple[_Item, ...] | None = None
    size: int = 1
    length: int = 0
    usual: bool = False
    """Whether it may be a key without end."""


@dataclass(frozen=True)
class Storage:
    """The numbers behind tensors, as a pickle describes them."""

    kind: str
    key: str
    elements: int


@dataclass
class Scan:
    """What was found in pickles."""

    names: set[str] = field(default_factory=set)
    """Of classes and functions, in full and in Python 3's spelling."""
    storages: list[Storage] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)

    def read(self, file: io.BytesIO) -> None:
        """Follow one pickle to its end.

        Raises:
            ValueError, UnpicklingError: it has no end in sight, or isn't a pickle that torch reads.
        """
        _Machine(self).run(file)

    def spend(self, what: str, amount: int, most: int) -> None:
        """Count what a pickle takes; ValueError above `most`."""
        self.used[what] = self.used.get(what, 0) + amount
        if self.used[what] > most:
            raise ValueError(f"it has more than {most:,} {what}")


class _Machine:
    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.stack: list[_Item] = []
        self.marks: list[int] = []
        self.memo: dict[int, _Item] = {}

    def run(self, file: io.BytesIO) -> None:
        for instruction, argument, _ in pickletools.genops(file):
            self.scan.spend("instructions", 1, MOST_INSTRUCTIONS)
            name = instruction.name
            if name in _CONSTANTS:
                self.stack.append(_constant(argument if instruction.arg else None))
            elif name in _ACTIONS:
                try:
                    _ACTIONS[name](self, argument)
                except (IndexError, KeyError) as error:
                    raise ValueError("it uses a value that isn't there") from error
            else:
                raise UnpicklingError(f"Unsupported operand {ord(instruction.code)}")

    def pop_to_mark(self) -> list[_Item]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop(self, count: int) -> list[_Item]:
        if len(self.stack) < count:
            raise IndexError(count)
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def push_name(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        # protocol 2 keeps Python 2's spelling of a name
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        self.scan.spend("calls", 1, MOST_CALLS)
        self.scan.names.add(f"{module}.{name}")
        if len(self.scan.names) > MOST_NAMES:
            raise ValueError(f"it has more than {MOST_NAMES} names of classes and functions")
        self.stack.append(_Item(name=f"{module}.{name}"))

    def push_tuple(self, items: list[_Item]) -> None:
        size = 1 + sum(item.size for item in items)
        if size > MOST_TUPLE:
            raise ValueError(f"it has a tuple of more than {MOST_TUPLE:,} values")
        self.stack.append(_Item(parts=tuple(items), size=size, length=len(items)))

    def add(self, items: list[_Item]) -> None:
        self.stack[-1].length += len(items)

    def set_items(self, items: list[_Item]) -> None:
        self.scan.spend(
            "keys that are neither text nor small numbers", sum(not k.usual for k in items[::2]), MOST_UNUSUAL_KEYS
        )
        self.add(items)

    def call(self) -> None:
        function, arguments = self.pop(2)
        self.scan.spend("calls", 1, MOST_CALLS)
        name = function.name or ""
        _check_call(name, arguments.parts or ())
        for part in arguments.parts or ():
            if not name.startswith("torch._utils._rebuild"):  # those of tensors are given many short tuples
                self.scan.spend("values given to calls in lists", part.length, MOST_ARGUMENTS)
            self.scan.spend("letters given to calls", _letters(part), MOST_TEXT)
        self.stack.append(_Item())

    def build(self) -> None:
        (state,) = self.pop(1)
        self.scan.spend("calls", 1, MOST_CALLS)
        for part in (state, *(state.parts or ())):
            self.scan.spend("values in objects' states", part.length, MOST_STATES)

    def persistent(self) -> None:
        (identity,) = self.pop(1)
        match identity.parts:
            case (_, _Item(name=str(kind)), _Item(constant=str(key)), _, _Item(constant=int(elements)), *_):
                self.scan.storages.append(Storage(kind, key, elements))
            case _:
                raise ValueError("it refers to something that is no storage of a tensor")
        self.stack.append(_Item())


def _constant(value: Any) -> _Item:
    return _Item(constant=value, usual=not isinstance(value, int) or abs(value) < SMALL)


def _letters(item: _Item) -> int:
    return len(item.constant) if isinstance(item.constant, str | bytes) else 0


def _check_call(name: str, arguments: tuple[_Item, ...]) -> None:
    """Refuse calls that torch allows, and that take as much memory or time as a number or a word tells them to."""
    last = name.rpartition(".")[2]
    numbers = [item for item in arguments if isinstance(item.constant, int)]
    if last == "bytearray" or (name.startswith("torch.") and last.endswith(("Tensor", "Storage"))):
        if numbers:
            raise ValueError(f"it asks for an empty {name} of a size of its own")
    if name == "_codecs.encode" and any(item.constant not in ("latin1", "latin-1") for item in arguments[1:]):
        raise ValueError("it asks for another encoding than latin1")
    if last == "_rebuild_from_type_v2" and not (arguments and "_rebuild" in (arguments[0].name or "")):
        raise ValueError(f"it calls {name} for something that isn't a tensor")


_CONSTANTS = {
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"),
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "GLOBAL": lambda machine, argument: machine.push_name(argument),
    "EMPTY_LIST": lambda machine, _: machine.stack.append(_Item()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append(_Item()),
    "EMPTY_SET": lambda machine, _: machine.stack.append(_Item()),
    "EMPTY_TUPLE": lambda machine, _: machine.push_tuple([]),
    "TUPLE1": lambda machine, _: machine.push_tuple(machine.pop(1)),
    "TUPLE2": lambda machine, _: machine.push_tuple(machine.pop(2)),
    "TUPLE3": lambda machine, _: machine.push_tuple(machine.pop(3)),
    "TUPLE": lambda machine, _: machine.push_tuple(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.add(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.add(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "BINPUT": lambda machine, place: machine.memo.__setitem__(place, machine.stack[-1]),
    "LONG_BINPUT": lambda machine, place: machine.memo.__setitem__(place, machine.stack[-1]),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.persistent(),
}
"""What is done for each instruction that torch's unpickler knows."""

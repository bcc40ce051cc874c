"""Units by number, as a model predicts them: fairseq's special symbols, then those of the dictionary."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from fairseq_budget.data.labels import SPECIAL_SYMBOLS
from fairseq_budget.data.transcripts.units import Letters, Pieces, Units
from fairseq_budget.errors import BudgetError

UNKNOWN = SPECIAL_SYMBOLS.index("<unk>")


class Alphabet:
    """A dictionary and its kind of units; a checkpoint holds both, so that it needs no other file to be read."""

    def __init__(self, units: Units, symbols: Sequence[str]) -> None:
        self.units, self.symbols = units, list(symbols)

    @property
    def classes(self) -> int:
        """Symbols with fairseq's special ones; the first is CTC's blank."""
        return len(SPECIAL_SYMBOLS) + len(self.symbols)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols, len(SPECIAL_SYMBOLS))}

    def numbers(self, units: Iterable[str]) -> list[int]:
        """Of each unit; that of ``<unk>`` where the dictionary doesn't have it."""
        return [self._number.get(unit, UNKNOWN) for unit in units]

    def text(self, numbers: Iterable[int]) -> str:
        """The words that numbers spell; special symbols are left out."""
        first = len(SPECIAL_SYMBOLS)
        return self.units.join([self.symbols[number - first] for number in numbers if number >= first])

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        pieces = self.units.model if isinstance(self.units, Pieces) else b""
        return {"units": self.units.ending, "dictionary": self.symbols, "sentencepiece": base64.b64encode(pieces).decode()}

    @classmethod
    def of(cls, state: Mapping[str, Any], where: object) -> Alphabet:
        """What :meth:`state` told.

        Raises:
            BudgetError: it isn't such a state; names the file.
        """
        try:
            symbols = [str(symbol) for symbol in state["dictionary"]]
            if state["units"] == Letters.ending:
                return cls(Letters(), symbols)
            return cls(Pieces(base64.b64decode(state["sentencepiece"], validate=True)), symbols)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise BudgetError(f"{where}: it doesn't tell the units that it was fine-tuned on ({error!r})") from error

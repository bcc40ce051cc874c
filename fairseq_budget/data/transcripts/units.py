"""Units that CTC predicts: letters, as stock fairseq writes them, or pieces of a sentencepiece model."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.files import atomic

BOUNDARY = "|"
"""Ends a word (fairseq's `libri_labels.py`)."""


class Units(Protocol):
    """How words become units, and back."""

    name: ClassVar[str]
    """What they are called in tables."""
    ending: ClassVar[str]
    """Of the files of units, `<split>.<ending>`, and of the dictionary `dict.<ending>.txt`."""

    def split(self, words: str) -> list[str]:
        """The units of a transcript."""

    def join(self, units: Sequence[str]) -> str:
        """The words that units spell; a sequence that spells none is the empty text."""

    def lexicon(self, word: str) -> list[str]:
        """The units of one word, as a decoder's lexicon has them."""


class Letters:
    """Characters, and a boundary after each word: `T H E | C A T |`."""

    name: ClassVar[str] = "letters"
    ending: ClassVar[str] = "ltr"

    def split(self, words: str) -> list[str]:
        if BOUNDARY in words:
            raise BudgetError(f"a transcript has the character `{BOUNDARY}`, which ends words here: {words[:80]!r}")
        return [*words.replace(" ", BOUNDARY), BOUNDARY]

    def join(self, units: Sequence[str]) -> str:
        return " ".join("".join(units).replace(BOUNDARY, " ").split())

    def lexicon(self, word: str) -> list[str]:
        return self.split(word)


class Pieces:
    """Pieces of a sentencepiece model (Kudo and Richardson 2018)."""

    name: ClassVar[str] = "pieces"
    ending: ClassVar[str] = "spm"
    MODEL: ClassVar[str] = "sentencepiece.model"

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise BudgetError(f"`{self.MODEL}` isn't a sentencepiece model ({error}): make the transcripts again") from error
        self.model = model

    @classmethod
    def train(cls, transcripts: Iterable[str], vocabulary: int) -> Pieces:
        """A unigram model with so many pieces.

        Raises:
            ConfigError: the transcripts have too few pieces, or more characters, for that vocabulary.
        """
        import sentencepiece

        trained = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(transcripts),
                model_writer=trained,
                vocab_size=vocabulary,
                character_coverage=1.0,
                minloglevel=2,
            )
        except RuntimeError as error:
            reason = str(error).rpartition("] ")[2] or str(error)
            raise ConfigError(f"`--vocabulary` {vocabulary}: {' '.join(reason.split())}") from error
        return cls(trained.getvalue())

    def split(self, words: str) -> list[str]:
        pieces: list[str] = self.processor.encode(words, out_type=str)
        return pieces

    def join(self, units: Sequence[str]) -> str:
        return " ".join(str(self.processor.decode_pieces(list(units))).split())

    def lexicon(self, word: str) -> list[str]:
        return self.split(word)

    def write(self, folder: Path) -> None:
        """Beside the transcripts."""
        with atomic(folder / self.MODEL) as partial:
            partial.write_bytes(self.model)


KINDS = ("letters", "sentencepiece")


def open_units(kind: str, folder: Path) -> Units:
    """The units of a folder of transcripts.

    Raises:
        ConfigError: an unknown kind.
        BudgetError: the sentencepiece model is missing or none.
    """
    if kind == "letters":
        return Letters()
    if kind != "sentencepiece":
        raise ConfigError(f"`--units` must be one of {', '.join(KINDS)}, but is `{kind}`")
    path = folder / Pieces.MODEL
    try:
        return Pieces(path.read_bytes())
    except OSError as error:
        raise BudgetError(f"`{path}` can't be read ({error.strerror}): make the transcripts again") from error


def count_units(rows: Iterable[Sequence[str]]) -> list[tuple[str, int]]:
    """Units with their counts, the most frequent first, then by name: the order of fairseq's dictionaries."""
    counted: Counter[str] = Counter()
    for row in rows:
        counted.update(row)
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def write_units(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """One line an utterance, spaces between units."""
    _write_lines(path, (" ".join(row) for row in rows))


def write_dictionary(path: Path, counted: Iterable[tuple[Any, int]]) -> None:
    """fairseq's dictionary: `UNIT COUNT` a line."""
    _write_lines(path, (f"{unit} {count}" for unit, count in counted))


def read_dictionary(path: Path) -> list[str]:
    """Units of a dictionary, in its order, without fairseq's special symbols.

    Raises:
        BudgetError: the file is missing, or a line isn't `UNIT COUNT`; names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetError(f"`{path}` can't be read ({error}): run `fairseq-budget asr transcripts`") from error
    units = []
    for number, line in enumerate(lines, 1):
        unit, _, count = line.rpartition(" ")
        if not unit or not count.isdigit() or unit in units:
            raise BudgetError(f"`{path}`, line {number}: expected a new unit and its count, found `{line[:80]}`")
        units.append(unit)
    return units


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)

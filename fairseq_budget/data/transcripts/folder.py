"""A folder of transcripts: for each split of its manifests the words and their units, bound to the manifest by content.

    <split>.wrd                words, one utterance a line, in the manifest's order
    <split>.ltr or .spm        the same in units
    dict.ltr.txt, dict.spm.txt units of the first split, the most frequent first
    sentencepiece.model        of pieces
    transcripts.json           which manifest's rows these are, and the digests of the files; written last

The files are those that stock fairseq's recipes of fine-tuning read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.transcripts.alphabet import Alphabet
from fairseq_budget.data.transcripts.find import find_transcripts
from fairseq_budget.data.transcripts.units import (
    Pieces,
    Units,
    count_units,
    open_units,
    read_dictionary,
    write_dictionary,
    write_units,
)
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.files import atomic, sha256
from fairseq_budget.sealed import sealed, unsealed

RECORD = "transcripts.json"
WORDS = "wrd"
_REMAKE = "make them again with `fairseq-budget asr transcripts`"


def make_transcripts(
    folder: Path, splits: Sequence[str], kind: str = "letters", vocabulary: int = 100, text: Path | None = None
) -> Transcripts:
    """Write the words and units of each split of a folder's manifests; units are those of the first split.

    Raises:
        BudgetError: a manifest or a transcript is missing.
        ConfigError: an unknown kind of units, or an impossible vocabulary.
    """
    manifests = {split: Manifest.read(folder / f"{split}.tsv") for split in splits}
    words = {split: list(find_transcripts(manifest, text)) for split, manifest in manifests.items()}
    fitted = words[splits[0]]
    units = Pieces.train(fitted, vocabulary) if kind == "sentencepiece" else open_units(kind, folder)
    if isinstance(units, Pieces):
        units.write(folder)
    rows = {split: [units.split(line) for line in lines] for split, lines in words.items()}
    counted = count_units(rows[splits[0]])
    write_dictionary(folder / f"dict.{units.ending}.txt", counted)
    known = {unit for unit, _ in counted}
    told: dict[str, Any] = {}
    for split, manifest in manifests.items():
        write_units(folder / f"{split}.{WORDS}", [[line] for line in words[split]])
        write_units(folder / f"{split}.{units.ending}", rows[split])
        told[split] = {
            "manifest_rows": manifest.digest,
            "words_sha256": sha256(folder / f"{split}.{WORDS}"),
            "units_sha256": sha256(folder / f"{split}.{units.ending}"),
            "utterances": len(manifest),
            "hours": manifest.hours,
            "words": sum(len(line.split()) for line in words[split]),
            "units": sum(map(len, rows[split])),
            "unknown_units": sum(unit not in known for row in rows[split] for unit in row),
        }
    content = {"units": kind, "fit_split": splits[0], "dictionary": [unit for unit, _ in counted], "splits": told}
    with atomic(folder / RECORD) as partial:
        partial.write_text(json.dumps(sealed(content), indent=1) + "\n", encoding="utf-8")
    return Transcripts(folder)


class Transcripts:
    """The transcripts in a folder.

    Raises:
        BudgetError: there are none, the record is damaged, or the dictionary isn't the record's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, path = folder, folder / RECORD
        try:
            self.content = unsealed(dict(json.loads(path.read_text(encoding="utf-8"))))
            self.kind, self.splits = str(self.content["units"]), dict(self.content["splits"])
            self.symbols: list[str] = [str(unit) for unit in self.content["dictionary"]]
        except FileNotFoundError:
            raise BudgetError(f"no transcripts in `{folder}`: {_REMAKE.replace('again ', '')}") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BudgetError(f"`{path}` is no record of transcripts ({error!r}): {_REMAKE}") from error
        self.units: Units = open_units(self.kind, folder)
        if read_dictionary(folder / f"dict.{self.units.ending}.txt") != self.symbols:
            raise BudgetError(f"`{folder / f'dict.{self.units.ending}.txt'}` isn't the dictionary of `{path}`: {_REMAKE}")

    @property
    def alphabet(self) -> Alphabet:
        return Alphabet(self.units, self.symbols)

    def words(self, split: str, manifest: Manifest) -> list[str]:
        """Words of each utterance.

        Raises:
            BudgetError: unless they were made for this manifest, and are as they were.
        """
        return self._lines(split, manifest, WORDS, "words_sha256")

    def numbers(self, split: str, manifest: Manifest) -> Targets:
        """Units of each utterance as numbers of the dictionary.

        Raises:
            BudgetError: as :meth:`words` does.
        """
        lines = self._lines(split, manifest, self.units.ending, "units_sha256")
        rows = [np.array(self.alphabet.numbers(line.split(" ")), dtype=np.int32) for line in lines]
        starts = np.cumsum([0, *map(len, rows)])
        return Targets(np.concatenate(rows), starts)

    def _lines(self, split: str, manifest: Manifest, ending: str, digest: str) -> list[str]:
        known, path = self.splits.get(split), self.folder / f"{split}.{ending}"
        if known is None:
            named = ", ".join(self.splits)
            raise BudgetError(
                f"`{self.folder / RECORD}` tells of {named}, but not of `{split}`: {_REMAKE}, all in `--splits`"
            )
        if known["manifest_rows"] != manifest.digest:
            raise BudgetError(f"`{path}` was made for other utterances than those in `{manifest.path}`: {_REMAKE}")
        try:
            if sha256(path) != known[digest]:
                raise BudgetError(f"`{path}` has changed since it was made: {_REMAKE}")
            return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except OSError as error:
            raise BudgetError(f"`{path}` can't be read ({error.strerror}): {_REMAKE}") from error


@dataclass(frozen=True)
class Targets:
    """Numbers of all utterances, one after another.  Shape: values (sum of lengths,) int32, starts (N + 1,)."""

    values: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Shape: -> (units of the utterance,)"""
        return self.values[self.starts[index] : self.starts[index + 1]]


def check_splits(splits: Sequence[str]) -> None:
    """Refuse a list of splits without a name, or with one twice."""
    if not splits or not all(splits) or len(set(splits)) < len(splits):
        raise ConfigError(f"`--splits` must name different splits, with commas between them, but is `{','.join(splits)}`")

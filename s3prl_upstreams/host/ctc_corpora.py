"""The corpora of PR, SF and Mandarin ASR as data sets: s3prl's ``ctc`` expert wants them, and its PyPI package lacks them.

Each gives what that expert's loader expects: items are (path, token ids), or with a `bucket_size` above 1 lists of that many
neighbours in order of length.  Written anew after the layout and the contract of s3prl/downstream/ctc; items of equal length
stand in the order of their names, where s3prl's stand as the file system lists them.
"""

from __future__ import annotations

import csv
import importlib
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch.utils.data import Dataset

from fairseq_budget.errors import BudgetError

Item = tuple[str, list[int]]

PACKAGE = "s3prl.downstream.ctc.corpus"


class Tokenizer(Protocol):
    """What is used of s3prl's text encoders."""

    def encode(self, text: str) -> list[int]: ...


class CtcBuckets(Dataset):
    """Items in order, given singly or, where `bucket_size` is above 1, with their next neighbours.

    Items at the end, which have too few neighbours behind them, give the last full bucket.
    """

    def __init__(self, items: Sequence[Item], bucket_size: int) -> None:
        self.items, self.bucket_size = list(items), bucket_size

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Item | list[Item]:
        if self.bucket_size == 1:
            return self.items[index]
        start = max(0, min(index, len(self.items) - self.bucket_size))
        return self.items[start : start + self.bucket_size]


class LibriPhoneDataset(CtcBuckets):
    """PR: LibriSpeech's folders `split` under `path`, their words as phonemes; a word's first entry in `lexicon` counts.

    Longest phoneme sequences first, as s3prl has them.
    """

    def __init__(
        self, split: list[str], tokenizer: Tokenizer, bucket_size: int, path: str, lexicon: list[str], **_: Any
    ) -> None:
        phonemes = _lexicon(lexicon)
        items = [
            (str(audio), tokenizer.encode(" ".join(_pronounced(words, phonemes, audio))))
            for name in split
            for audio, words in _librispeech(Path(path, name))
        ]
        super().__init__(_longest_first(items), bucket_size)


class SnipsDataset(CtcBuckets):
    """SF: the recordings in `path`/SPLIT by the speakers of that split, with words and slots from all.iob.snips.txt.

    Longest label sequences first, as s3prl has them.
    """

    def __init__(self, split: list[str], tokenizer: Tokenizer, bucket_size: int, path: str, **speakers: Any) -> None:
        lines = (line.partition(" ") for line in _read(Path(path, "all.iob.snips.txt")).splitlines())
        labels = {name: text for name, _, text in lines}
        wanted = tuple(speakers[f"{split[0]}_speakers"])
        audio = [file for name in split for file in sorted(Path(path, name).rglob("*.wav"))]
        spoken = [file for file in audio if file.stem in labels and file.stem.startswith(wanted)]
        if not spoken:
            raise BudgetError(f"`{path}` has no recordings in {', '.join(split)} by {', '.join(wanted)}: give another path")
        super().__init__(_longest_first([(str(file), tokenizer.encode(labels[file.stem])) for file in spoken]), bucket_size)


class CommonVoiceDataset(CtcBuckets):
    """Mandarin ASR: the files `split` are tables, with a header, of path (in `path`) and sentence, in their order."""

    def __init__(self, split: list[str], tokenizer: Tokenizer, bucket_size: int, path: str, **_: Any) -> None:
        rows = [row for table in split for row in list(csv.reader(_read(Path(table)).splitlines(), delimiter="\t"))[1:]]
        super().__init__([(str(Path(path, name)), tokenizer.encode(text)) for name, text in rows], bucket_size)


MODULES = {
    "libriphone": LibriPhoneDataset,
    "snips": SnipsDataset,
    "common_voice": CommonVoiceDataset,
}
"""The modules of ``s3prl.downstream.ctc.corpus``, and the class that each has."""


def provide() -> None:
    """Put the modules where s3prl looks for them; a checkout of s3prl, which has its own, is left as it is."""
    try:
        importlib.import_module(f"{PACKAGE}.libriphone")
    except ModuleNotFoundError:
        package = sys.modules[PACKAGE] = types.ModuleType(PACKAGE, __doc__)
        package.__path__ = []
        for name, dataset in MODULES.items():
            module = sys.modules[f"{PACKAGE}.{name}"] = types.ModuleType(f"{PACKAGE}.{name}", dataset.__doc__)
            setattr(module, dataset.__name__, dataset)
            setattr(package, name, module)


def _librispeech(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The recordings in a part of LibriSpeech, by name, with their words."""
    found = False
    for transcripts in sorted(folder.glob("*/*/*.trans.txt")):
        for line in _read(transcripts).splitlines():
            name, *words = line.split()
            audio = transcripts.with_name(f"{name}.flac")
            if audio.exists():
                found = True
                yield audio, words
    if not found:
        raise BudgetError(
            f"`{folder}` has no recordings SPEAKER/CHAPTER/*.flac with *.trans.txt beside them: give another path"
        )


def _lexicon(paths: list[str]) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = {}
    for path in paths:
        for line in _read(Path(path)).splitlines():
            word, *phonemes = line.split()
            entries.setdefault(word, phonemes)
    return entries


def _pronounced(words: list[str], phonemes: dict[str, list[str]], audio: Path) -> Iterator[str]:
    for word in words:
        if word not in phonemes:
            raise BudgetError(f"`{word}` of `{audio.name}` is in no lexicon: add it, or use the lexicons of this corpus")
        yield from phonemes[word]


def _longest_first(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: -len(item[1]))


def _read(path: Path) -> str:
    if not path.is_file():
        raise BudgetError(f"no file `{path}`: give another path")
    return path.read_text(encoding="utf-8")

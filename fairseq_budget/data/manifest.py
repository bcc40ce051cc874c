"""Manifests: which audio files to train on, and how long each is.

The format is fairseq's: the first line is an absolute folder, every other line `path/below/it<TAB>samples at 16 kHz`.
Nothing is copied; a subset is another manifest over the same files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.errors import BudgetError

_REMAKE = "make it again with `fairseq-budget manifest`"


@dataclass(frozen=True, eq=False)
class Manifest:
    """Utterances below one folder.

    `root` is that folder, `paths[i]` the i-th file below it, `frames[i]` its length in samples at 16 kHz, shape (N,).
    """

    root: Path
    paths: Sequence[str]
    frames: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def hours(self) -> float:
        """Hours of audio in all."""
        return float(self.frames.sum()) / SAMPLE_RATE / 3600

    def audio_path(self, index: int) -> Path:
        """Where utterance `index` lies."""
        return self.root / self.paths[index]

    def subset(self, indices: Iterable[int]) -> Manifest:
        """The utterances of these indices, in this order."""
        chosen = np.fromiter(indices, dtype=np.int64)
        return Manifest(self.root, [self.paths[i] for i in chosen], self.frames[chosen])

    def within(self, min_seconds: float = 0.0, max_seconds: float = math.inf) -> Manifest:
        """The utterances that last `min_seconds` to `max_seconds`, ends included.  Raises BudgetError if none does."""
        seconds = self.frames / SAMPLE_RATE
        kept = np.flatnonzero((seconds >= min_seconds) & (seconds <= max_seconds))
        if not len(kept):
            raise BudgetError(
                f"no file below `{self.root}` lasts {min_seconds:g} to {max_seconds:g} s (the {len(self)} there last "
                f"{seconds.min():.2f} to {seconds.max():.2f} s): widen `min_seconds` and `max_seconds`"
            )
        return self.subset(kept)

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read a manifest file.

        Raises BudgetError, naming file and line, for anything that is not in the format, and for a folder that is gone.
        """
        try:
            with open(path, encoding="utf-8") as lines:
                root = _parse_root(path, next(lines, ""))
                paths, frames = _parse_utterances(path, lines)
        except OSError as error:
            raise BudgetError(f"manifest `{path}` cannot be read ({error.strerror}): {_REMAKE}") from error
        except UnicodeDecodeError as error:
            raise BudgetError(f"manifest `{path}` is not UTF-8 text (byte {error.start}): {_REMAKE}") from error
        return cls(root, paths, frames)

    def write(self, path: str | Path) -> None:
        """Write the manifest, all or nothing: an interrupted write leaves the old file as it was.

        Raises BudgetError for a name that the format cannot hold, and where the file cannot be written.
        """
        path = Path(path)
        root = _checked_name(str(self.root.absolute()))
        lines = [f"{_checked_name(name)}\t{frames}\n" for name, frames in zip(self.paths, self.frames, strict=True)]
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(f"{root}\n{''.join(lines)}", encoding="utf-8", newline="\n")
            os.replace(unfinished, path)
        except OSError as error:
            reason = error.strerror
            raise BudgetError(f"manifest `{path}` cannot be written ({reason}): choose another place") from error
        finally:
            with suppress(OSError):
                unfinished.unlink()


def split(manifest: Manifest, valid_share: float, seed: int) -> tuple[Manifest, Manifest]:
    """Hold out a random share of the utterances: (train, valid), each in the manifest's order and of at least one.

    Speakers may occur in both; a corpus with its own held-out folder should be scanned folder by folder instead.
    Raises BudgetError unless 0 < valid_share < 1 and there are two utterances to part.
    """
    if not 0 < valid_share < 1:
        raise BudgetError(f"`valid_share` must be above 0 and below 1, but is {valid_share:g}: try 0.05")
    if len(manifest) < 2:
        raise BudgetError(f"`{manifest.root}` has {len(manifest)} utterance: a held-out share needs at least 2")
    held_out = min(max(round(valid_share * len(manifest)), 1), len(manifest) - 1)
    order = np.random.default_rng(seed).permutation(len(manifest))
    return manifest.subset(np.sort(order[held_out:])), manifest.subset(np.sort(order[:held_out]))


def _parse_root(path: str | Path, line: str) -> Path:
    root = Path(line.strip())
    if not root.is_absolute():
        raise BudgetError(f"{path}:1: the first line must be an absolute folder, but is `{line.strip()}`: {_REMAKE}")
    if not root.is_dir():
        raise BudgetError(f"{path}:1: folder `{root}` does not exist: correct the first line, or {_REMAKE}")
    return root


def _parse_utterances(path: str | Path, lines: Iterable[str]) -> tuple[list[str], np.ndarray]:
    paths: list[str] = []
    frames: list[int] = []
    for number, line in enumerate(lines, start=2):
        name, tab, count = line.rstrip("\n").partition("\t")
        # isascii: str.isdigit alone also takes other scripts' digits and superscripts.
        if not (name.strip() and tab and count.isascii() and count.isdigit() and 0 < int(count) < 2**63):
            raise BudgetError(
                f"{path}:{number}: expected `path<TAB>samples` with samples above 0, but got {line.rstrip()[:120]!r}: "
                f"correct the line, or {_REMAKE}"
            )
        paths.append(name)
        frames.append(int(count))
    if not paths:
        raise BudgetError(f"manifest `{path}` lists no utterance: {_REMAKE}")
    return paths, np.array(frames, dtype=np.int64)


def _checked_name(name: str) -> str:
    """The name itself, if fairseq, which strips and splits each line, would read it back unchanged."""
    if name != name.strip() or any(mark in name for mark in "\t\n\r") or not name:
        raise BudgetError(f"file name {name!r} has a tab, a line break or outer spaces: rename the file")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BudgetError(f"file name {name!r} is not UTF-8: rename the file") from error
    return name

"""From audio to the manifests of a training run: what to leave out, hold out, divide and re-cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget import __version__
from fairseq_budget.data.archives.stretch import ENDINGS
from fairseq_budget.data.manifest import Manifest, Utterances
from fairseq_budget.data.scan import scan
from fairseq_budget.data.segments import Segments
from fairseq_budget.data.speakers import LIBRISPEECH_RULE, speakers
from fairseq_budget.data.subsets import nested, split, split_speakers
from fairseq_budget.errors import ConfigError

VALID_SHARE = 0.05
"""Held out for validation unless said otherwise (Vaessen and van Leeuwen)."""

SPIDR_ENDINGS = (".csv", ".jsonl")


@dataclass(frozen=True)
class Selection:
    """What is made of the audio: utterances of `min_seconds` to `max_seconds`; a share of them to validate on, if there is
    no other audio for it (of whole speakers, if `valid_speakers`); for each of `hours` a subset, every smaller one within
    every larger one; the training audio re-cut into segments, if `segment_seconds`."""

    seed: int = 0
    min_seconds: float = 0.0
    max_seconds: float = math.inf
    valid_share: float | None = None
    valid_speakers: bool = False
    hours: tuple[float, ...] = ()
    segment_seconds: float | None = None
    cross_speakers: bool = False
    speaker_rule: str = LIBRISPEECH_RULE

    def make(self, source: Manifest, valid: Manifest | None = None) -> Iterator[tuple[float | None, Utterances, Manifest]]:
        """Hours of the subset (None: all), training audio and validation audio of each pair of manifests.

        Raises:
            BudgetError: the audio doesn't allow it.
            ConfigError: settings that contradict each other.
        """
        train = source.within(self.min_seconds, self.max_seconds)
        if valid is None:
            train, valid = self._hold_out(train)
        elif self.valid_share is not None or self.valid_speakers:
            raise ConfigError("`valid_share` and `valid_speakers` hold out audio, but `valid_root` names other: give one")
        else:
            valid = valid.within(self.min_seconds, self.max_seconds)
        for hours, part in self._subsets(train):
            yield hours, self._re_cut(part), valid

    def _hold_out(self, train: Manifest) -> tuple[Manifest, Manifest]:
        share = VALID_SHARE if self.valid_share is None else self.valid_share
        if self.valid_speakers:
            return split_speakers(train, share, self.seed, self._speakers(train))
        return split(train, share, self.seed)

    def _subsets(self, train: Manifest) -> list[tuple[float | None, Manifest]]:
        if not self.hours:
            return [(None, train)]
        return list(zip(self.hours, nested(train, self.hours, self.seed, self._speakers(train)), strict=True))

    def _re_cut(self, train: Manifest) -> Utterances:
        if self.segment_seconds is None:
            return train
        who = np.zeros(len(train), dtype=np.int64) if self.cross_speakers else self._speakers(train)
        return Segments(train, who, self.segment_seconds)

    def _speakers(self, manifest: Manifest) -> np.ndarray:
        return speakers(manifest, self.speaker_rule)

    def header(self, command: str, source: Manifest) -> dict[str, Any]:
        """What is told of a manifest's making: the tool, the source and its checksum, the settings."""
        return {
            "made by": f"fairseq-budget {__version__}, {command}",
            "source": source.path.absolute() if source.path else source.root,
            "source_sha256": source.digest,
            "seed": self.seed,
            **{f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default and f.name != "seed"},
        }


def open_audio(path: Path, skip_bad: bool = False) -> Manifest:
    """The manifest at `path`, SpidR's too, or one of all audio in the folder or archive `path`; see :func:`scan`."""
    if path.is_file() and path.suffix in SPIDR_ENDINGS:
        from fairseq_budget.data.spidr import read_spidr  # needs pandas, which not everybody has

        return read_spidr(path)
    is_manifest = path.is_file() and not path.name.lower().endswith(ENDINGS)
    return Manifest.read(path) if is_manifest else scan(path, skip_bad=skip_bad)

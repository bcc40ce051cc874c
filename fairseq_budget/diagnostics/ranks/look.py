"""One look at a checkpoint: measures of each layer on some utterances, with clusters where phones or labels are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.alignments import Alignments
from fairseq_budget.data.label_record import read_label_rate
from fairseq_budget.data.labels import DICTIONARY_NAME, LabelFile, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.speakers import LIBRISPEECH_RULE, speaker_names
from fairseq_budget.diagnostics.ranks import abx
from fairseq_budget.diagnostics.ranks.features import EVERY, AllLayers, Middles, choose
from fairseq_budget.diagnostics.ranks.measures import cluster_quality, rankme
from fairseq_budget.errors import BudgetError

MEASURES = {
    "rank_utterances": "rank, utterances",
    "rank_frames": "rank, frames",
    "phones_purity": "phone purity",
    "phones_pnmi": "PNMI, phones",
    "labels_purity": "label purity",
    "labels_pnmi": "PNMI, labels",
    abx.WITHIN: "ABX within",
    abx.ACROSS: "ABX across",
}
"""Of a layer: the effective rank of utterances' means and of frames, what clusters tell about phones and labels, and how
often phones are confused, within and across speakers."""
ERRORS = frozenset({abx.WITHIN, abx.ACROSS})
"""The measures of which less is better."""


@dataclass(frozen=True)
class LookSettings:
    """What is looked at.

    `phones` is a CTM file or a folder of TextGrids (None: CTM files beside the audio), `labels` a folder of labels or None,
    `abx` how phones are compared (None: they aren't) and `speaker_rule` what finds speakers in the names of files.
    """

    data: Path
    split: str
    utterances: int
    seconds: float
    clusters: int
    seed: int
    device: torch.device
    phones: Path | None = None
    labels: Path | None = None
    abx: abx.AbxSettings | None = None
    speaker_rule: str = LIBRISPEECH_RULE


@dataclass(frozen=True)
class Look:
    """Measures of a checkpoint's layers: ``layers[0]`` is the first layer's input.  None is not known."""

    checkpoint: Path
    upstream: str
    width: int
    utterances: int
    frames: int
    layers: Sequence[Mapping[str, float | None]]

    def summary(self, over: str, measure: str) -> float | None:
        """A measure of the ``last`` layer's output, or its ``mean`` over all hidden states."""
        values = [layer[measure] for layer in self.layers]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return known[-1] if over == "last" else fmean(known)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "checkpoint": str(self.checkpoint),
            "upstream": self.upstream,
            "width": self.width,
            "utterances": self.utterances,
            "frames": self.frames,
            "layers": [dict(layer) for layer in self.layers],
        }


Reference = Callable[[int, np.ndarray], np.ndarray]
"""Of an utterance and times in it (K,) to codes (K,)."""


def look(checkpoints: Sequence[Path], settings: LookSettings) -> list[Look]:
    """A look at each checkpoint, all on the same utterances.

    Raises:
        BudgetError: a checkpoint or audio that can't be read, or labels that aren't those of the manifest.
    """
    source = Manifest.read(settings.data / f"{settings.split}.tsv")
    middles = choose(source, settings.utterances, settings.seconds, settings.seed)
    known = {"phones": _phones(middles, settings.phones)}
    if settings.labels is not None:
        known["labels"] = _labels(settings.labels, settings.split, source, middles)
    return [_of_checkpoint(checkpoint, middles, known, settings) for checkpoint in checkpoints]


def _of_checkpoint(checkpoint: Path, middles: Middles, known: Mapping[str, Reference], settings: LookSettings) -> Look:
    features = AllLayers(checkpoint, settings.device, EVERY if settings.abx is None else 1)
    means, every = features.of(middles)
    step = EVERY // features.every
    frames, times = [rows[::step] for rows in every], features.seconds(int(middles.frames[0]))
    references = {kind: [code(index, times[::step]) for index in range(len(middles))] for kind, code in known.items()}
    layers = [
        _of_layer(means[:, layer], [rows[:, layer] for rows in frames], references, settings)
        for layer in range(features.states)
    ]
    if settings.abx is not None:
        compare = _phone_errors(middles, times, settings, settings.abx)
        for layer, values in enumerate(layers):
            values |= compare([rows[:, layer] for rows in every])
    size = features.pretrained.size
    upstream = f"{features.pretrained.objective} {size.name if size else features.pretrained.shape}"
    return Look(checkpoint, upstream, means.shape[2], len(means), sum(map(len, frames)), layers)


def _of_layer(
    means: np.ndarray, frames: list[np.ndarray], references: Mapping[str, list[np.ndarray]], settings: LookSettings
) -> dict[str, float | None]:
    """Shape: means (N, D), frames N x (K, D)"""
    values: dict[str, float | None] = dict.fromkeys(MEASURES)
    values |= {"rank_utterances": rankme(means), "rank_frames": rankme(np.concatenate(frames))}
    for kind, codes in references.items():
        if any((code >= 0).any() for code in codes[1::2]):
            found = cluster_quality(frames, codes, settings.clusters, settings.seed)
            if found is not None:
                values |= {f"{kind}_purity": found["phone_purity"], f"{kind}_pnmi": found["pnmi"]}
    return values


def _phone_errors(
    middles: Middles, times: np.ndarray, settings: LookSettings, how: abx.AbxSettings
) -> Callable[[list[np.ndarray]], dict[str, float | None]]:
    """What gives a layer's ABX errors.  Shape: of N x (K, D)"""
    alignments, names = Alignments(settings.phones), list(speaker_names(middles, settings.speaker_rule))
    codes = [alignments.codes_at(middles, index, times) for index in range(len(middles))]
    found = abx.tokens(codes, alignments.phones)
    abx.check(found)
    return lambda frames: abx.errors(found, frames, names, how)


def _phones(middles: Middles, file: Path | None) -> Reference:
    alignments = Alignments(file)
    return lambda index, seconds: alignments.codes_at(middles, index, seconds)


def _labels(folder: Path, split: str, source: Manifest, middles: Middles) -> Reference:
    """HuBERT's labels at the time of a frame."""
    if not folder.is_dir():
        raise BudgetError(f"folder `{folder}` does not exist: name the folder of the label files")
    labels, rate = LabelFile(folder / f"{split}.km", read_dictionary(folder / DICTIONARY_NAME)), read_label_rate(folder)
    labels.check(source.frames, rate)

    def codes(index: int, seconds: np.ndarray) -> np.ndarray:
        row = labels[int(middles.indices[index])]
        at = ((seconds + middles.offsets[index] / SAMPLE_RATE) * rate).astype(np.int64)
        return np.where(at < len(row), row[np.minimum(at, len(row) - 1)], -1)

    return codes

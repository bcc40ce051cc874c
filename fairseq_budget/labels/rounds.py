"""HuBERT's labels: k-means on features of the training split, every frame of every split named by its nearest centre.

Features are a function (``features.Features``), so a second round on a model's hidden layer is another function and the
same code.  Several processes may label into one folder, each its shard; the first fits k-means while the others wait, and
the one that finds all parts there joins them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sklearn
import torch

from fairseq_budget import __version__
from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.data.label_binary import MAX_LABELS, open_labels
from fairseq_budget.data.label_record import RECORD_NAME, LabelRecord, read_record
from fairseq_budget.data.labels import DICTIONARY_NAME, write_dictionary, write_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.files import sha256
from fairseq_budget.labels import codebook as codebooks
from fairseq_budget.labels.codebook import Codebook, FitSettings
from fairseq_budget.labels.features import Features, forward_flops
from fairseq_budget.labels.parts import Parts, alone
from fairseq_budget.labels.quality import Histogram
from fairseq_budget.planning.system_memory import total_memory


@dataclass(frozen=True)
class Round:
    """How many clusters, fitted on how many percent of the training split's utterances."""

    clusters: int
    percent: float


FIRST_ROUND = Round(100, 100.0)
"""Of MFCC (Hsu et al. 2021, section IV-B; Liu et al. 2024)."""

LATER_ROUNDS = Round(500, 10.0)
"""Of a model's hidden layer (Hsu et al. 2021, section IV-B; Liu et al. 2024)."""


@dataclass(frozen=True)
class LabelSettings:
    """How labels are made; the first of ``splits`` is the training split, the only one that k-means sees."""

    splits: tuple[str, ...] = ("train", "valid")
    clusters: int = 100
    percent: float = 100.0  # of the training split's utterances
    seed: int = 0
    n_init: int = 20  # random starts, of which the best is kept
    max_gib: float | None = None  # memory for the features that k-means is fitted on; half of what there is
    shards: int = 1  # processes that share the work
    shard: int = 0  # which of them this one is

    def validate(self) -> None:
        """Raises:
        ConfigError: settings that cannot be used; lists every one.
        """
        problems = [
            text
            for wrong, text in (
                (not self.splits or "" in self.splits, "`splits` must name at least one split"),
                (len(set(self.splits)) != len(self.splits), f"`splits` must differ, but are {', '.join(self.splits)}"),
                (
                    not 2 <= self.clusters <= MAX_LABELS,
                    f"`clusters` must be from 2 to {MAX_LABELS}, but is {self.clusters}",
                ),
                (not 0 < self.percent <= 100, f"`percent` must be above 0 and at most 100, but is {self.percent:g}"),
                (not 0 <= self.seed < 2**32, f"`seed` must be from 0 to 2^32 - 1, but is {self.seed}"),
                (self.n_init < 1, f"`n_init` must be at least 1, but is {self.n_init}"),
                (self.max_gib is not None and not self.max_gib > 0, f"`max_gib` must be above 0, but is {self.max_gib}"),
                (self.shards < 1, f"`shards` must be at least 1, but is {self.shards}"),
                (
                    not 0 <= self.shard < max(1, self.shards),
                    f"`shard` must be from 0 to {self.shards - 1}, but is {self.shard}",
                ),
            )
            if wrong
        ]
        if problems:
            raise ConfigError("; ".join(problems))

    @property
    def fit(self) -> FitSettings:
        """What k-means needs to know."""
        max_gib = total_memory() / 2 / GIB if self.max_gib is None else self.max_gib
        return FitSettings(self.clusters, self.percent, self.seed, self.n_init, max_gib)


def make_labels(
    data: Path, settings: LabelSettings, features: Features, out: Path | None = None
) -> tuple[LabelRecord | None, bool]:
    """Fit k-means on ``DATA/<first split>.tsv`` and label every split, or this process's share of them.

    Writes ``<split>.km`` with its binary copy, ``dict.km.txt``, ``codebook.npy``, ``kmeans.joblib`` and ``labels.json`` to
    `out` (default: `data`).  What is there and was made with the same settings from the same manifests is kept, and an
    interrupted call goes on where it was.  Deterministic: the same manifests, settings and versions give the same files.

    Returns:
        The record, or None while other processes' shards are missing; and whether there was anything to do.

    Raises:
        BudgetError: manifests or audio cannot be read, fewer frames than clusters, more features than ``max_gib``, or
            labels are there that were not made here.
    """
    settings.validate()
    labelling = _Labelling(data, out or data, settings, features)
    with alone(labelling.out):
        labelling.refuse_to_overwrite()
        if not labelling.missing():
            return labelling.record, False
        codebook = labelling.codebook()
    for split in labelling.missing():
        labelling.parts(split).make(codebook, settings.shards, settings.shard)
    with alone(labelling.out):
        labelling.join()
    return (None if labelling.missing() else labelling.record), True


class _Labelling:
    """The state of the folder `out`, as read when it is asked for: other processes change it."""

    def __init__(self, data: Path, out: Path, settings: LabelSettings, features: Features) -> None:
        self.out, self.settings, self.features = out, settings, features
        self.manifests = {split: Manifest.read(data / f"{split}.tsv") for split in settings.splits}
        self.digests = {split: sha256(data / f"{split}.tsv") for split in settings.splits}
        out.mkdir(parents=True, exist_ok=True)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what the codebook is."""
        return {
            "feature": self.features.name,
            "label_rate": self.features.rate,
            **self.features.identity(),
            "clusters": self.settings.clusters,
            "percent": self.settings.percent,
            "seed": self.settings.seed,
            "n_init": self.settings.n_init,
            "fit_split": self.settings.splits[0],
            "fit_manifest": self.digests[self.settings.splits[0]],
        }

    @property
    def record(self) -> LabelRecord | None:
        """The record, if it tells of this codebook."""
        record = read_record(self.out)
        return record if record is not None and record.content.items() >= self.identity.items() else None

    def refuse_to_overwrite(self) -> None:
        """Raises:
        BudgetError: labels of unknown origin, and splits that a new codebook would leave outdated.
        """
        record, labels = read_record(self.out), [self._km(split) for split in self.settings.splits]
        if record is None:
            if strangers := [path for path in [*labels, self.out / DICTIONARY_NAME] if path.exists()]:
                raise BudgetError(f"`{strangers[0]}` was not made here (no {RECORD_NAME}): move it away, or keep using it")
        elif self.record is None and (outdated := sorted(set(record.splits) - set(self.settings.splits))):
            raise BudgetError(
                f"`{record.path}` also counts the split {', '.join(outdated)}: name it in `--splits`, so that all labels "
                f"have the same centres, or delete {RECORD_NAME} and the labels"
            )

    def missing(self) -> list[str]:
        """The splits that have no labels of this codebook and manifest."""
        return [split for split in self.settings.splits if not self._is_done(split)]

    def _is_done(self, split: str) -> bool:
        record = self.record
        known = record.splits.get(split, {}) if record is not None else {}
        if known.get("manifest") != self.digests[split] or not self._km(split).is_file():
            return False
        try:
            return open_labels(self._km(split)).sha256 == known["text_sha256"]
        except BudgetError:  # somebody has written something else into it
            return False

    def codebook(self) -> Codebook:
        """The codebook that is there, or a new one."""
        record, found = self.record, codebooks.load(self.out, self.features.device)
        if record is not None and found is not None and found.sha256 == record.codebook:
            return found
        rounds = self.features.earlier_rounds()
        content = {"kind": "labels", "round": 1 + (rounds[-1]["round"] if rounds else 0), **self.identity, "rounds": rounds}
        # The record comes first without results: after an interruption the files are known to be ours, and incomplete.
        LabelRecord(self.out / RECORD_NAME, content).write()
        train = self.manifests[self.settings.splits[0]]
        model, fitted = codebooks.fit(train, self.settings.fit, self.features)
        codebooks.save(self.out, model)
        write_dictionary(self.out / DICTIONARY_NAME, self.settings.clusters)
        new = Codebook(model.cluster_centers_.astype("<f4"), self.features.device)
        versions = {"fairseq_budget": __version__, "scikit-learn": sklearn.__version__, "torch": torch.__version__}
        content |= {"kmeans": {**fitted, "centres_sha256": new.sha256}, "splits": {}, "versions": versions}
        LabelRecord(self.out / RECORD_NAME, content).write()
        return new

    def parts(self, split: str) -> Parts:
        """The parts of a split under the codebook that the record tells of."""
        record = self.record
        depends = json.dumps([record.codebook if record else None, self.digests[split], torch.__version__])
        name = hashlib.sha256(depends.encode()).hexdigest()[:12]
        return Parts(self.out, split, name, self.manifests[split], self.features)

    def join(self) -> None:
        """Write the label files of all splits whose parts are there, and tell of them in the record."""
        for split in self.missing():
            parts, record = self.parts(split), self.record
            if record is None or parts.missing():
                continue
            histogram = Histogram(self.settings.clusters)
            write_labels(self._km(split), histogram.counting(parts.read()))
            told = {
                **histogram.summary(self.features.rate),
                "codebook": record.codebook,
                "manifest": self.digests[split],
                "manifest_rows": self.manifests[split].digest,
                "text_sha256": open_labels(self._km(split)).sha256,
                "forward_flops": forward_flops(self.features, self.manifests[split].frames),
            }
            # in one order, whichever was finished first
            splits = dict(sorted({**record.splits, split: told}.items()))
            LabelRecord(record.path, record.content | {"splits": splits}).write()
            parts.remove()

    def _km(self, split: str) -> Path:
        return self.out / f"{split}.km"

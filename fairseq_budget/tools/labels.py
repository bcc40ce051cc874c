"""HuBERT's labels: k-means on features of the training split, every frame of every split named by its nearest centre.

The procedure is that of fairseq's ``examples/hubert/simple_kmeans`` without its dumps: for one shard, the same seed and
features give the same centres.  Features are a function (``features.Features``), so a second round on a model's hidden
layer is another function and the same code.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
import torch
from rich.console import Console
from sklearn.cluster import MiniBatchKMeans

from fairseq_budget import __version__
from fairseq_budget.data.label_record import RECORD_NAME
from fairseq_budget.data.labels import DICTIONARY_NAME, atomic, write_dictionary, write_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.tools.features import Features, stream

MODEL_NAME = "kmeans.joblib"


@dataclass(frozen=True)
class LabelSettings:
    """How labels are made; the first of ``splits`` is the training split, the only one that k-means sees."""

    splits: tuple[str, ...] = ("train", "valid")
    clusters: int = 100
    percent: float = 100.0  # of the training split's utterances
    seed: int = 0
    n_init: int = 20  # random starts, of which the best is kept
    max_gib: float = 8.0  # memory for the features that k-means is fitted on; no influence on the labels

    def validate(self) -> None:
        """Raises ConfigError that lists every setting that cannot be used."""
        problems = [
            text
            for wrong, text in (
                (not self.splits or "" in self.splits, "`splits` must name at least one split"),
                (len(set(self.splits)) != len(self.splits), f"`splits` must differ, but are {', '.join(self.splits)}"),
                (self.clusters < 2, f"`clusters` must be at least 2, but is {self.clusters}"),
                (not 0 < self.percent <= 100, f"`percent` must be above 0 and at most 100, but is {self.percent:g}"),
                (not 0 <= self.seed < 2**32, f"`seed` must be from 0 to 2^32 - 1, but is {self.seed}"),
                (self.n_init < 1, f"`n_init` must be at least 1, but is {self.n_init}"),
                (not self.max_gib > 0, f"`max_gib` must be above 0, but is {self.max_gib:g}"),
            )
            if wrong
        ]
        if problems:
            raise ConfigError("; ".join(problems))


def existing(folder: Path, settings: LabelSettings, features: Features) -> dict[str, Any] | None:
    """The record of labels that are there and were made from the same manifests with the same settings, or None.

    Raises:
        BudgetError: labels of unknown origin, or of other splits, that making new ones would overwrite or outdate.
    """
    settings.validate()
    record = _read_record(folder)
    labels = [folder / f"{split}.km" for split in settings.splits]
    if record is None:
        if strangers := [path for path in [*labels, folder / DICTIONARY_NAME] if path.exists()]:
            raise BudgetError(f"`{strangers[0]}` was not made here (no {RECORD_NAME}): move it away, or keep using it")
        return None
    if outdated := sorted(set(record["manifests"]) - set(settings.splits)):
        raise BudgetError(
            f"`{folder / RECORD_NAME}` also counts the split {', '.join(outdated)}: name it in `--splits`, so that all "
            f"labels have the same centres, or delete {RECORD_NAME} and the labels"
        )
    complete = "splits" in record and all(path.exists() for path in [*labels, folder / DICTIONARY_NAME])
    return record if complete and record.items() >= _identity(folder, settings, features).items() else None


def make_labels(folder: Path, settings: LabelSettings, features: Features) -> dict[str, Any]:
    """Fit k-means on ``FOLDER/<first split>.tsv`` and label every split.

    Writes ``<split>.km``, ``dict.km.txt``, ``kmeans.joblib`` and last the full ``labels.json``, whose content it
    returns.  Deterministic: the same manifests, settings and library versions give the same files.

    Raises:
        BudgetError: manifests or audio cannot be read, fewer frames than clusters, or more features than ``max_gib``.
    """
    settings.validate()
    manifests = {split: Manifest.read(folder / f"{split}.tsv") for split in settings.splits}
    model, fitted = fit(manifests[settings.splits[0]], settings, features)
    # The record comes first without results: after an interruption the files are known to be ours, and incomplete.
    record = {"kind": "labels"} | _identity(folder, settings, features)
    _write_record(folder, record)
    with atomic(folder / MODEL_NAME) as partial:
        joblib.dump(model, partial)
    write_dictionary(folder / DICTIONARY_NAME, settings.clusters)
    counts = {split: label_split(folder / f"{split}.km", manifests[split], model, features) for split in manifests}
    versions = {"fairseq_budget": __version__, "scikit-learn": sklearn.__version__, "torch": torch.__version__}
    record |= {"kmeans": fitted, "splits": counts, "versions": versions}
    _write_record(folder, record)
    return record


def fit(manifest: Manifest, settings: LabelSettings, features: Features) -> tuple[MiniBatchKMeans, dict[str, Any]]:
    """k-means on the features of a share of a manifest's utterances: the model, and what to write down about it."""
    # One stream of legacy random numbers for the choice and then the clustering, as fairseq's learn_kmeans draws them.
    random = np.random.RandomState(settings.seed)
    chosen = np.arange(len(manifest))
    if settings.percent < 100:
        chosen = random.choice(len(manifest), math.ceil(len(manifest) * settings.percent / 100), replace=False)
    data = _collect(manifest.subset(chosen), settings, features)
    model = MiniBatchKMeans(
        n_clusters=settings.clusters,
        init="k-means++",
        max_iter=100,
        batch_size=10_000,
        compute_labels=False,
        random_state=random,
        tol=0.0,
        max_no_improvement=100,
        n_init=settings.n_init,
        reassignment_ratio=0.0,
    )
    with Console(stderr=True).status(f"k-means: {settings.clusters} clusters of {len(data):,} frames"):
        model.fit(data)
        inertia = -float(model.score(data)) / len(data)
    centres = np.ascontiguousarray(model.cluster_centers_, dtype="<f4")
    return model, {
        "utterances": len(chosen),
        "frames": len(data),
        "inertia_per_frame": inertia,
        "centres_sha256": hashlib.sha256(centres.tobytes()).hexdigest(),
    }


def label_split(path: Path, manifest: Manifest, model: MiniBatchKMeans, features: Features) -> dict[str, int]:
    """Write the labels of a split; the number of its utterances and frames, and of the clusters that none fell into."""
    centres = model.cluster_centers_
    half_norms = (centres**2).sum(1) / 2
    counts = np.zeros(len(centres), dtype=np.int64)

    def labels() -> Iterator[np.ndarray]:
        for frames in tracked(stream(manifest, range(len(manifest)), features), f"labels {path.stem}", len(manifest)):
            # argmin |x - c|^2 = argmin |c|^2 / 2 - x c: no cancellation of the large |x|^2.  (F, D) -> (F,)
            nearest = (half_norms - frames @ centres.T).argmin(1)
            np.add(counts, np.bincount(nearest, minlength=len(counts)), out=counts)
            yield nearest

    write_labels(path, labels())
    return {"utterances": len(manifest), "frames": int(counts.sum()), "dead_clusters": int((counts == 0).sum())}


def _collect(manifest: Manifest, settings: LabelSettings, features: Features) -> np.ndarray:
    """All features of a manifest in memory, allocated once.  Shape: (frames, D), float32"""
    total = sum(features.frames(samples) for samples in manifest.frames.tolist())
    if total < settings.clusters:
        raise BudgetError(
            f"`{manifest.root}`: {total} frames of training audio cannot make {settings.clusters} clusters: "
            "add audio, raise `--percent`, or lower `--clusters`"
        )
    gib = total * features.width * 4 / 2**30
    if gib > settings.max_gib:
        raise BudgetError(
            f"k-means on {total:,} frames needs {gib:.1f} GiB, `--max-gib` allows {settings.max_gib:g}: "
            f"lower `--percent` to {_floor(settings.percent * settings.max_gib / gib)}, or raise `--max-gib`"
        )
    data = np.empty((total, features.width), dtype=np.float32)
    end = 0
    for frames in tracked(stream(manifest, range(len(manifest)), features), f"features {features.name}", len(manifest)):
        data[end : end + len(frames)] = frames
        end += len(frames)
    return data


def _identity(folder: Path, settings: LabelSettings, features: Features) -> dict[str, Any]:
    """Everything that decides what the labels are."""
    return {
        "feature": features.name,
        "label_rate": features.rate,
        "clusters": settings.clusters,
        "percent": settings.percent,
        "seed": settings.seed,
        "n_init": settings.n_init,
        "fit_split": settings.splits[0],
        "manifests": {split: _digest(folder / f"{split}.tsv") for split in settings.splits},
    }


def _digest(manifest: Path) -> str:
    if not manifest.is_file():
        raise BudgetError(f"manifest `{manifest}` is not there: make it with `fairseq-budget manifest`")
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


def _read_record(folder: Path) -> dict[str, Any] | None:
    path = folder / RECORD_NAME
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["manifests"].keys()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BudgetError(f"`{path}` is not a record of labels ({error}): delete it and the labels") from error
    return dict(record)


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    with atomic(folder / RECORD_NAME) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _floor(percent: float) -> str:
    """A percentage to type in, rounded down to two digits so that it surely fits."""
    step = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{math.floor(percent / step) * step:g}"

"""k-means' centres: fitted on features of a share of the training utterances, kept, and asked for the nearest.

The procedure is that of fairseq's ``examples/hubert/simple_kmeans`` without its dumps: for one shard, the same seed and
features give the same centres.

Letters in shapes: K clusters, F frames, D numbers per frame.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from rich.console import Console
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.data.arrays import read_array
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.labels.features import Features, forward_flops, stream

CENTRES_NAME = "codebook.npy"
KMEANS_NAME = "kmeans.joblib"


@dataclass(frozen=True)
class FitSettings:
    """How k-means is fitted (Hsu et al. 2021, section IV-B; what it leaves open as in fairseq's ``learn_kmeans``)."""

    clusters: int
    percent: float  # of the training split's utterances
    seed: int
    n_init: int  # random starts, of which the best is kept
    max_gib: float  # memory for the features that k-means is fitted on; no influence on the labels


class Codebook:
    """The centres, and which is nearest.  Shape: centres (K, D) float32"""

    def __init__(self, centres: np.ndarray, device: torch.device) -> None:
        self.sha256 = hashlib.sha256(np.ascontiguousarray(centres, dtype="<f4").tobytes()).hexdigest()
        middle = centres.mean(0, dtype=np.float64).astype(np.float32)
        self._middle, self._centres = (torch.from_numpy(values).to(device) for values in (middle, centres - middle))
        self._half_norms = self._centres.square().sum(1) / 2

    def __len__(self) -> int:
        return len(self._centres)

    def nearest(self, features: Tensor) -> Tensor:
        """The number of the nearest centre.  Shape: (..., F, D) -> (..., F) int64"""
        # argmin |x - c|^2 = argmin |c|^2 / 2 - x c, with the centres' mean as origin: little is lost by cancellation
        return (self._half_norms - (features.float() - self._middle) @ self._centres.T).argmin(-1)


def fit(utterances: Utterances, settings: FitSettings, features: Features) -> tuple[MiniBatchKMeans, dict[str, Any]]:
    """k-means on the features of a share of the utterances: the model, and what to write down about it.

    Raises:
        BudgetError: audio cannot be read, fewer frames than clusters, or more features than ``max_gib``.
    """
    # One stream of legacy random numbers for the choice and then the clustering, as fairseq's learn_kmeans draws them.
    random = np.random.RandomState(settings.seed)
    chosen = np.arange(len(utterances))
    if settings.percent < 100:
        count = math.ceil(len(utterances) * settings.percent / 100)
        chosen = random.choice(len(utterances), count, replace=False)
    data = _collect(utterances, chosen, settings, features)
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
    cost = forward_flops(features, utterances.frames[chosen])
    return model, {
        "utterances": len(chosen),
        "frames": len(data),
        "inertia_per_frame": inertia,
        "forward_flops": cost,
    }


def save(folder: Path, model: MiniBatchKMeans) -> None:
    """Write the centres, and the model as fairseq's ``dump_km_label`` reads it."""
    with atomic(folder / KMEANS_NAME) as partial:
        joblib.dump(model, partial)
    with atomic(folder / CENTRES_NAME) as partial, partial.open("wb") as file:
        np.save(file, model.cluster_centers_.astype("<f4"))


def load(folder: Path, device: torch.device) -> Codebook | None:
    """The codebook that was saved in a folder, or None.

    Raises:
        BudgetError: the file isn't one.
    """
    path = folder / CENTRES_NAME
    return Codebook(_read_centres(path), device) if path.is_file() else None


def _read_centres(path: Path) -> np.ndarray:
    """Shape: -> (K, D) float32"""
    centres = read_array(path)
    if centres.ndim != 2 or centres.dtype != np.dtype("<f4") or not centres.size or not np.isfinite(centres).all():
        raise BudgetError(f"`{path}` is no codebook, a table of numbers: delete it, and the labels are made again")
    return centres


def _collect(utterances: Utterances, chosen: np.ndarray, settings: FitSettings, features: Features) -> np.ndarray:
    """All features of these utterances in memory, allocated once.  Shape: -> (F, D) float32"""
    total = sum(features.frames(samples) for samples in utterances.frames[chosen].tolist())
    if total < settings.clusters:
        raise BudgetError(
            f"`{utterances.root}`: {total} frames of training audio cannot make {settings.clusters} clusters: "
            "add audio, raise `--percent`, or lower `--clusters`"
        )
    gib = total * features.width * 4 / GIB
    if gib > settings.max_gib:
        raise BudgetError(
            f"k-means on {total:,} frames needs {gib:.1f} GiB, `--max-gib` allows {settings.max_gib:.3g}: "
            f"lower `--percent` to {_floor(settings.percent * settings.max_gib / gib)}, or raise `--max-gib`"
        )
    data, end = np.empty((total, features.width), dtype=np.float32), 0
    for frames in tracked(stream(utterances, chosen, features), f"features {features.name}", len(chosen)):
        data[end : end + len(frames)] = frames
        end += len(frames)
    return data


def _floor(percent: float) -> str:
    """A percentage to type in, rounded down to two digits so that it surely fits."""
    step = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{math.floor(percent / step) * step:g}"

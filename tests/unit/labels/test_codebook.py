"""k-means: the reference procedure's centres, refusals, and the nearest centre."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels.codebook import Codebook, FitSettings, fit, load, save
from tests.unit.labels.conftest import MFCC, alone

SETTINGS = FitSettings(clusters=8, percent=100.0, seed=3, n_init=2, max_gib=1.0)
CPU = torch.device("cpu")


@pytest.mark.parametrize("percent", [100.0, 50.0])
def test_same_centres_as_the_reference_procedure(data: Path, percent: float) -> None:
    """What fairseq's learn_kmeans does for one shard: global seed, choice of utterances, then MiniBatchKMeans."""
    manifest = Manifest.read(data / "train.tsv")
    np.random.seed(3)
    chosen = np.arange(6) if percent == 100 else np.random.choice(6, 3, replace=False)
    rows = np.concatenate([alone(manifest.audio_path(i)) for i in chosen])
    reference = MiniBatchKMeans(
        8, batch_size=10_000, compute_labels=False, tol=0.0, max_no_improvement=100, n_init=2, reassignment_ratio=0.0
    ).fit(rows)
    made, told = fit(manifest, replace(SETTINGS, percent=percent), MFCC)
    np.testing.assert_allclose(made.cluster_centers_, reference.cluster_centers_, atol=1e-2)
    assert (told["utterances"], told["frames"]) == (len(chosen), len(rows))
    assert told["inertia_per_frame"] == pytest.approx(-reference.score(rows) / len(rows), rel=1e-3)


def test_nearest_is_nearest_also_far_from_the_origin() -> None:
    random = np.random.default_rng(0)
    centres = (1_000 + random.standard_normal((5, 3))).astype(np.float32)
    features = 1_000 + random.standard_normal((2, 4, 3)).astype(np.float32)
    distances = ((features[:, :, None].astype(np.float64) - centres) ** 2).sum(-1)
    assert Codebook(centres, CPU).nearest(torch.from_numpy(features)).tolist() == distances.argmin(-1).tolist()


def test_what_is_saved_is_loaded(data: Path, tmp_path: Path) -> None:
    assert load(tmp_path, CPU) is None
    model, _ = fit(Manifest.read(data / "train.tsv"), SETTINGS, MFCC)
    save(tmp_path, model)
    found = load(tmp_path, CPU)
    assert found is not None and len(found) == 8
    assert found.sha256 == Codebook(model.cluster_centers_.astype(np.float32), CPU).sha256


def test_fewer_frames_than_clusters(data: Path) -> None:
    with pytest.raises(BudgetError, match="frames of training audio cannot make 5000 clusters"):
        fit(Manifest.read(data / "train.tsv"), replace(SETTINGS, clusters=5_000), MFCC)


def test_more_features_than_memory_allows(data: Path) -> None:
    with pytest.raises(BudgetError, match=r"GiB, `--max-gib` allows 1e-05: lower `--percent` to \d"):
        fit(Manifest.read(data / "train.tsv"), replace(SETTINGS, max_gib=1e-5), MFCC)

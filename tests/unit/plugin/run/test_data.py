"""How a split is opened for training and for validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.plugin.config import PretrainingConfig
from fairseq_budget.plugin.run.data import open_split

SAMPLES = 48_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One utterance of 3 s to train on, another one to validate on."""
    for split in ("train", "valid"):
        wave = np.random.default_rng(len(split)).uniform(-0.5, 0.5, SAMPLES)
        soundfile.write(tmp_path / f"{split}.wav", wave, 16_000)
        Manifest(tmp_path, [f"{split}.wav"], np.array([SAMPLES])).write(tmp_path / f"{split}.tsv")
    return tmp_path


def crop(folder: Path, split: str, seed: int, **settings: Any) -> torch.Tensor:
    cfg = PretrainingConfig(data=str(folder), max_sample_size=16_000, min_sample_size=8_000, **settings)
    cfg.seed = seed
    dataset = open_split(cfg, split, None, {}, training=split == "train")
    return dataset.collater([dataset[0]])["net_input"]["source"]


def test_runs_of_other_seeds_train_on_other_crops_and_validate_on_the_same(folder: Path) -> None:
    assert not torch.equal(crop(folder, "train", 1), crop(folder, "train", 2))
    assert torch.equal(crop(folder, "valid", 1), crop(folder, "valid", 2))


def test_crops_of_validation_may_be_longer(folder: Path) -> None:
    assert crop(folder, "valid", 1).shape == crop(folder, "train", 1).shape == (1, 16_000)
    assert crop(folder, "valid", 1, valid_sample_size=40_000).shape == (1, 40_000)
    assert crop(folder, "train", 1, valid_sample_size=40_000).shape == (1, 16_000)

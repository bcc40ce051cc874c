"""A folder of short recordings and their manifests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.data.audio import read
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.labels.features import MFCC39
from fairseq_budget.modules.mfcc import KaldiMFCC

SAMPLES = (9_000, 300, 16_000, 4_321, 12_345, 8_000)
MFCC = MFCC39(torch.device("cpu"))


def tones(samples: int, seed: int) -> np.ndarray:
    """Four tones one after the other over a little noise."""
    generator = np.random.default_rng(seed)
    hertz = generator.uniform(150, 3_000, size=4).repeat(-(-samples // 4))[:samples]
    return 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / 16_000) + 0.01 * generator.standard_normal(samples)


def alone(path: Path) -> np.ndarray:
    """MFCC of one file.  Shape: (F, 39)"""
    return KaldiMFCC().mfcc39(torch.from_numpy(read(path))[None])[0].numpy()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """train.tsv with six files of different lengths, one shorter than a frame; valid.tsv with two."""
    folder = tmp_path / "data"
    folder.mkdir()
    names = []
    for number, samples in enumerate(SAMPLES):
        names.append(f"{number}.flac")
        soundfile.write(folder / names[-1], tones(samples, number), 16_000)
    frames = np.array(SAMPLES)
    Manifest(folder, names, frames).write(folder / "train.tsv")
    Manifest(folder, names[3:5], frames[3:5]).write(folder / "valid.tsv")
    return folder

"""Twelve recordings with phones beside them, and checkpoints of tiny models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.data.alignments import Alignment, write_ctm
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.objectives import build_model
from tests.common import tiny_config

SECONDS = 1.5
NARROW = "[(32,10,5)] + [(32,3,2)] * 4 + [(32,2,2)] * 2"


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """valid.tsv: three tones of half a second, which are the phones, in another order each time; the last file is short."""
    folder = tmp_path_factory.mktemp("speech")
    generator = np.random.default_rng(0)
    time = np.arange(8_000) / 16_000
    names, alignments = [], {}
    for number in range(12):
        order = generator.permutation(3)
        wave = np.concatenate([np.sin(2 * np.pi * (300, 900, 2500)[tone] * time) for tone in order])
        wave = 0.1 * wave + 0.01 * generator.standard_normal(len(wave))
        names.append(f"{number}.flac")
        soundfile.write(folder / names[-1], wave if number < 11 else wave[:4_000], 16_000)
        alignments[str(number)] = Alignment([f"tone{tone}" for tone in order], np.array([0.0, 0.5, 1.0]), SECONDS)
    write_ctm(folder / "all.phones.ctm", alignments)
    Manifest(folder, names, np.array([24_000] * 11 + [4_000])).write(folder / "valid.tsv")
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three untrained models, one of each objective."""
    folder = tmp_path_factory.mktemp("checkpoints")
    paths = []
    for seed, objective in enumerate(("hubert", "wav2vec2", "tera")):
        torch.manual_seed(seed)
        config = tiny_config(objective, encoder_layers=2 + seed, conv_feature_layers=NARROW)
        cfg = {"model": {**asdict(config), "_name": f"budget_{objective}"}, "task": {"normalize": seed == 1}}
        paths.append(folder / f"{objective}.pt")
        torch.save({"model": build_model(objective, config).state_dict(), "cfg": cfg}, paths[-1])
    return paths

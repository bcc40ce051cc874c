"""Checkpoints of this project and of stock fairseq, old and new, read back as models."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import build_model, model_config
from fairseq_budget.recipes import model_settings
from tests.common import tiny_config, waves


def checkpoint(path: Path, state: dict[str, Any]) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize("form", ["cfg", "omegaconf", "args"])
def test_every_form_of_configuration_is_read(tmp_path: Path, form: str) -> None:
    torch.manual_seed(0)
    config = tiny_config("hubert", num_classes=13)
    model = build_model("hubert", config).eval()
    # stock fairseq's configuration doesn't know the size of the dictionary
    settings = {k: v for k, v in asdict(config).items() if k != "num_classes"}
    cfg = {"model": {**settings, "_name": "hubert"}, "task": {"normalize": True}}
    state: dict[str, Any] = {"model": model.state_dict()}
    if form == "args":
        state["args"] = argparse.Namespace(**settings, arch="hubert", normalize=True)
    else:
        state["cfg"] = cfg if form == "cfg" else OmegaConf.create(cfg)
    loaded = load_pretrained(checkpoint(tmp_path / "c.pt", state))
    assert (loaded.objective, loaded.size, loaded.normalize) == ("hubert", None, True)
    with torch.no_grad():
        expected, found = model.extract(waves(1, 8000))[0][-1], loaded.model.extract(waves(1, 8000))[0][-1]
    assert torch.equal(expected, found)


def test_the_size_is_told_from_the_shape(tmp_path: Path) -> None:
    config = model_config("tera", model_settings("tera", "30"))
    state = {"model": build_model("tera", config).half().state_dict()}
    state["cfg"] = {"model": {**asdict(config), "_name": "budget_tera"}}
    loaded = load_pretrained(checkpoint(tmp_path / "c.pt", state))
    assert loaded.size is not None
    assert loaded.size.name == "30"
    assert next(loaded.model.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"model": {}}, "isn't a fairseq pre-training checkpoint"),
        ({"model": {}, "cfg": {"model": {"_name": "transformer_lm"}}}, "no model called `transformer_lm`"),
        ({"model": {}, "cfg": {"model": {"_name": "hubert"}}}, "describes 12 layers, but it has weights of 0"),
    ],
)
def test_what_is_no_pretrained_model_is_refused(tmp_path: Path, state: dict, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        load_pretrained(checkpoint(tmp_path / "c.pt", state))

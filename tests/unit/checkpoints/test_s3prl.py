"""Files for s3prl: its own upstreams read them, and give the same hidden states as ours."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fairseq_budget.checkpoints import s3prl as s3prl_checkpoint
from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import compat
from s3prl_upstreams.upstreams.expert import UpstreamExpert
from tests.common import assert_close, waves
from tests.unit.checkpoints.conftest import LARGE, save

LARGE_NORMALISED = {**LARGE, "normalize": True}


def upstream(name: str, path: Path) -> Any:
    """s3prl's own, through the function behind its ``-u``."""
    compat.apply()
    hubconf = importlib.import_module(f"s3prl.upstream.{name.removesuffix('_local')}.hubconf")
    return getattr(hubconf, name)(ckpt=str(path)).eval()


@torch.no_grad()
def states(expert: Any, *waves: Tensor) -> list[Tensor]:
    return expert(list(waves))["hidden_states"]


@pytest.mark.parametrize("objective", ["hubert", "wav2vec2"])
@pytest.mark.parametrize("samples", [8_000, 8_320], ids=["even", "odd"])
@pytest.mark.parametrize("changes", [{}, LARGE_NORMALISED], ids=["base", "large"])
def test_hidden_states_are_equal(tmp_path: Path, objective: str, samples: int, changes: dict[str, Any]) -> None:
    """s3prl pads an odd number of frames to an even one and cuts it off again."""
    checkpoint = save(tmp_path, objective, **changes)
    name = s3prl_checkpoint.export(checkpoint, tmp_path / "s3prl.pt")
    assert name == f"{objective}_local"
    wave = 0.3 + waves(1, samples)[0]
    ours, theirs = states(UpstreamExpert(str(checkpoint)), wave), states(upstream(name, tmp_path / "s3prl.pt"), wave)
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(other, mine, 1e-5)


@pytest.mark.parametrize("changes", [{}, LARGE], ids=["group norm", "a frame more"])
def test_a_padded_batch_differs(tmp_path: Path, changes: dict[str, Any]) -> None:
    checkpoint = save(tmp_path, "hubert", **changes)
    expert = upstream(s3prl_checkpoint.export(checkpoint, tmp_path / "s3prl.pt"), tmp_path / "s3prl.pt")
    long, short = waves(1, 8_000)[0], waves(1, 5_000, seed=1)[0]
    ours = UpstreamExpert(str(checkpoint))
    alone = states(ours, short)[-1]
    for found, equal in ((states(ours, long, short), True), (states(expert, long, short), False)):
        difference = float((found[-1][1:, : alone.size(1)] - alone).abs().max() / alone.abs().max())
        assert difference < 1e-5 if equal else difference > 1e-3


def test_the_whole_model_is_in_the_file(tmp_path: Path) -> None:
    """s3prl loads all weights strictly, so that a head is missed; HuBERT's has a row for each symbol."""
    checkpoint = save(tmp_path, "hubert")
    s3prl_checkpoint.export(checkpoint, tmp_path / "s3prl.pt")
    state = torch.load(tmp_path / "s3prl.pt", weights_only=True)
    [symbols] = state["dictionaries_symbols"]
    assert symbols == ["<s>", "<pad>", "</s>", "<unk>", *map(str, range(9))]
    assert state["model_weight"]["label_embs_concat"].size(0) == len(symbols)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="model of tera, .*use it in s3prl with `-u budget_local -k .*tera.pt`"):
        s3prl_checkpoint.export(save(tmp_path, "tera"), tmp_path / "s3prl.pt")
    with pytest.raises(BudgetError, match=r"`.*hubert\.pt` exists"):
        s3prl_checkpoint.export(save(tmp_path, "hubert"), tmp_path / "hubert.pt")
    with pytest.raises(BudgetError, match="cannot be written .*choose another place"):
        s3prl_checkpoint.export(tmp_path / "hubert.pt", tmp_path / "hubert.pt" / "s3prl.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hubert.pt", "tera.pt"]

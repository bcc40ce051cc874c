"""fairseq's `extract_features`: our models answer as stock fairseq's with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils
from torch import Tensor

from fairseq_budget.errors import ConfigError
from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.plugin import stock
from fairseq_budget.plugin.extraction import LoadedTask
from tests.common import assert_close, waves
from tests.unit.checkpoints.conftest import LARGE, save


def native(checkpoint: Path) -> Any:
    """Our model, loaded by fairseq."""
    [model], _, _ = checkpoint_utils.load_model_ensemble_and_task([str(checkpoint)])
    return model.eval()


def both(folder: Path, objective: str, **changes: Any) -> tuple[Any, Any]:
    """Ours, and stock fairseq's of the same weights."""
    checkpoint = complete(save(folder, objective, **changes), objective)
    stock.export(checkpoint, folder / "stock.pt")
    return native(checkpoint), native(folder / "stock.pt")


def complete(checkpoint: Path, objective: str) -> Path:
    """With what fairseq asks for before it loads a checkpoint; there are no data and no labels where it says."""
    state = torch.load(checkpoint)
    task = {"_name": f"budget_{objective}_pretraining", "data": "/nowhere"}
    state["cfg"] = {"common": {"seed": 1}, "model": state["cfg"]["model"], "task": {**state["cfg"]["task"], **task}}
    history = {"optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}
    torch.save(state | {"optimizer_history": [history], "extra_state": {"epoch": 1}}, checkpoint)
    return checkpoint


def padded() -> tuple[Tensor, Tensor]:
    """Shape: -> (2, S), (2, S) true where the second utterance, a whole number of frames, is over"""
    mask = torch.zeros(2, 8_080, dtype=torch.bool)
    mask[1, 5_200:] = True
    return waves(2, 8_080).masked_fill(mask, 0.0), mask


@pytest.mark.parametrize("changes", [{}, LARGE], ids=["base", "large"])
@pytest.mark.parametrize("output_layer", [None, 1, 2])
@torch.no_grad()
def test_hubert_answers_as_stock_fairseqs(tmp_path: Path, changes: dict[str, Any], output_layer: int | None) -> None:
    ours, theirs = both(tmp_path, "hubert", **changes)
    source = waves(1, 8_000)
    found, padding = ours.extract_features(source, padding_mask=None, mask=False, output_layer=output_layer)
    expected, expected_padding = theirs.extract_features(source, padding_mask=None, mask=False, output_layer=output_layer)
    assert_close(found, expected)
    assert padding is expected_padding is None
    assert_close(ours.extract_features(source, ret_conv=True)[0], theirs.extract_features(source, ret_conv=True)[0])


@pytest.mark.parametrize("changes", [{}, LARGE], ids=["base", "large"])
@pytest.mark.parametrize("layer", [None, 0, 1])
@torch.no_grad()
def test_wav2vec2_answers_as_stock_fairseqs(tmp_path: Path, changes: dict[str, Any], layer: int | None) -> None:
    ours, theirs = both(tmp_path, "wav2vec2", **changes)
    source = waves(1, 8_000)
    found, expected = (model.extract_features(source, None, mask=False, layer=layer) for model in (ours, theirs))
    assert found.keys() == expected.keys()
    for name in ("x", "features"):
        assert_close(found[name], expected[name])
    assert found["padding_mask"] is expected["padding_mask"] is None
    if not changes or layer is not None:  # where a norm follows the layers, ours has the last one's output with it
        for (mine, *_), (other, *_) in zip(found["layer_results"], expected["layer_results"], strict=True):
            assert_close(mine, other)
    by_number = ours.extract_features(source, output_layer=None if layer is None else layer + 1)
    assert torch.equal(by_number["x"], found["x"])


@pytest.mark.parametrize("objective", ["hubert", "wav2vec2"])
@torch.no_grad()
def test_padding(tmp_path: Path, objective: str) -> None:
    """Group norms apart, which are over each utterance's own frames here."""
    ours, theirs = both(tmp_path, objective, **LARGE)
    source, mask = padded()
    found, expected = (model.extract_features(source, padding_mask=mask) for model in (ours, theirs))
    (x, padding), (other, other_padding) = (
        (answer["x"], answer["padding_mask"]) if objective == "wav2vec2" else answer for answer in (found, expected)
    )
    assert (padding.shape, padding.dtype) == (other_padding.shape, torch.bool)
    assert int((padding != other_padding).sum()) == (0 if objective == "wav2vec2" else 1), (
        "HuBERT's last frame is half padding"
    )
    assert_close(x[0], other[0])
    if objective == "wav2vec2":
        assert_close(x[1][~padding[1]], other[1][~padding[1]])
    alone = ours.extract_features(source[1:, :5_200], padding_mask=None)
    alone = alone["x"] if objective == "wav2vec2" else alone[0]
    assert_close(x[1][~padding[1]], alone[0])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_is_loaded_without_data_and_masks(tmp_path: Path, objective: str) -> None:
    checkpoint = complete(save(tmp_path, objective, normalize=True), objective)
    [model], _, task = checkpoint_utils.load_model_ensemble_and_task([str(checkpoint)])
    assert isinstance(task, LoadedTask)
    assert (task.cfg.normalize, task.cfg.sample_rate) == (True, 16_000)
    source, mask = padded()
    with torch.no_grad():
        seen, hidden = (model.eval().extract_features(source, padding_mask=mask, mask=masked) for masked in (False, True))
    seen, hidden = ((answer["x"] if isinstance(answer, dict) else answer[0]) for answer in (seen, hidden))
    assert seen.shape == hidden.shape == (2, model.model_shape.frames(8_080), 64)
    assert not torch.allclose(seen, hidden)
    with pytest.raises(ConfigError, match="`output_layer` must be from 1 to 2, the layers of this model, but is 3"):
        model.extract_features(source, output_layer=3)


def test_training_drops_layers_and_passes_gradients_on(tmp_path: Path) -> None:
    model = native(complete(save(tmp_path, "hubert", encoder_layerdrop=1.0), "hubert")).train()
    model.extract_features(waves(1, 8_000), mask=True)[0].square().sum().backward()
    assert model.encoder.layers_run == 0
    assert max(float(parameter.grad.abs().max()) for parameter in model.feature_extractor.parameters()) > 0

"""Folders for transformers: loaded by its own classes, the same hidden states come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2ForPreTraining,
    Wav2Vec2Model,
)

from fairseq_budget.checkpoints import huggingface
from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.masking import draw_mask
from fairseq_budget.objectives.wav2vec2.model import draw_distractors
from fairseq_budget.recipes import model_settings
from tests.common import assert_close, waves
from tests.unit.checkpoints.conftest import LARGE, save

CLASSES: dict[str, type[PreTrainedModel]] = {"hubert": HubertModel, "wav2vec2": Wav2Vec2Model}
NARROW = "[(64,10,5)] + [(64,3,2)] * 4 + [(64,2,2)] * 2"


def compare(checkpoint: Path, folder: Path, objective: str) -> None:
    source = waves(1, 8_000)
    theirs = CLASSES[objective].from_pretrained(folder).eval()
    with torch.no_grad():
        states, _ = load_pretrained(checkpoint).model.extract(source)
        answer = theirs(source, output_hidden_states=True)
    for mine, other in zip(states, answer.hidden_states, strict=True):
        assert_close(other, mine, 1e-5)
    assert_close(answer.last_hidden_state, states[-1], 1e-5)


@pytest.mark.parametrize("objective", ["hubert", "wav2vec2"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        LARGE,
        {"extractor_mode": "layer_norm", "activation_fn": "gelu_accurate"},
        {"conv_pos": 9, "conv_feature_layers": "[(32, 10, 5), (48, 8, 4)]"},
        {"conv_feature_layers": NARROW},  # as wide as the Transformer: no projection
    ],
    ids=["base", "large", "layer norm and tanh", "other convolutions", "no projection"],
)
def test_hidden_states_are_equal(tmp_path: Path, objective: str, changes: dict[str, Any]) -> None:
    checkpoint = save(tmp_path, objective, **changes)
    assert huggingface.export(checkpoint, tmp_path / "hf") < 1e-5
    compare(checkpoint, tmp_path / "hf", objective)


@pytest.mark.parametrize("objective", ["hubert", pytest.param("wav2vec2", marks=pytest.mark.slow)])
def test_slim(tmp_path: Path, objective: str) -> None:
    checkpoint = save(tmp_path, objective, size=model_settings(objective, "slim"))
    huggingface.export(checkpoint, tmp_path / "hf")
    compare(checkpoint, tmp_path / "hf", objective)


def test_regularisation_and_the_mask_vector_come_along(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, "hubert", attention_dropout=0.2, encoder_layerdrop=0.3, activation_dropout=0.4)
    huggingface.export(checkpoint, tmp_path / "hf")
    theirs = HubertModel.from_pretrained(tmp_path / "hf")
    settings = theirs.config
    assert (settings.attention_dropout, settings.layerdrop, settings.activation_dropout) == (0.2, 0.3, 0.4)
    assert torch.equal(theirs.masked_spec_embed, load_pretrained(checkpoint).model.mask_emb)


@pytest.mark.parametrize("normalize", [False, True])
def test_waves_are_prepared_as_in_training(tmp_path: Path, normalize: bool) -> None:
    checkpoint = save(tmp_path, "hubert", normalize, **LARGE)
    huggingface.export(checkpoint, tmp_path / "hf")
    wave = 0.3 + waves(1, 8_000)[0]
    prepared = AutoFeatureExtractor.from_pretrained(tmp_path / "hf")(wave.numpy(), sampling_rate=16_000, return_tensors="pt")
    expected = F.layer_norm(wave, wave.shape) if normalize else wave
    # 1e-7 is added to the variance (here 0.02) there, 1e-5 here
    assert_close(prepared.input_values[0], expected, 1e-3)


@pytest.mark.parametrize(("changes", "equal"), [(LARGE, True), ({}, False)], ids=["layer norm", "group norm"])
def test_a_padded_batch_differs_with_a_group_norm_only(tmp_path: Path, changes: dict[str, Any], equal: bool) -> None:
    checkpoint = save(tmp_path, "hubert", **changes)
    huggingface.export(checkpoint, tmp_path / "hf")
    long, short = waves(1, 8_000)[0], waves(1, 5_000, seed=1)[0]
    prepare = AutoFeatureExtractor.from_pretrained(tmp_path / "hf")
    batch = prepare([long.numpy(), short.numpy()], sampling_rate=16_000, padding=True, return_tensors="pt")
    with torch.no_grad():
        alone = load_pretrained(checkpoint).model.extract(short[None])[0][-1]
        padded = AutoModel.from_pretrained(tmp_path / "hf").eval()(**batch).last_hidden_state[1:, : alone.size(1)]
    difference = float((padded - alone).abs().max() / alone.abs().max())
    assert (difference < 1e-5) == equal
    assert equal or difference > 1e-2


@pytest.mark.parametrize(
    "changes", [{}, {"latent_dim": 48, "latent_vars": 20, "latent_groups": 3}], ids=["base", "wide codes"]
)
@pytest.mark.parametrize("is_training", [False, True])
def test_pretraining_of_wav2vec2_continues(tmp_path: Path, changes: dict[str, Any], is_training: bool) -> None:
    """Where the definitions agree: the contrastive loss of the likeliest codewords, and in training, where codewords are
    drawn for other frames there, the diversity loss, which knows the probabilities."""
    nothing = dict.fromkeys(("dropout", "attention_dropout", "dropout_input", "dropout_features", "encoder_layerdrop"), 0.0)
    checkpoint = save(tmp_path, "wav2vec2", num_negatives=7, logit_temp=0.2, **nothing, **changes)
    huggingface.export(checkpoint, tmp_path / "hf")
    ours = load_pretrained(checkpoint).model.train(is_training)
    theirs = Wav2Vec2ForPreTraining.from_pretrained(tmp_path / "hf").train(is_training)
    source = waves(2, 12_000)
    mask = draw_mask([ours.model_shape.frames(12_000)] * 2, 0.65, 10)
    distractors = draw_distractors(2, int(mask[0].sum()), 7)
    loss = ours(source, mask=mask, distractors=distractors)
    answer = theirs(source, mask_time_indices=mask, sampled_negative_indices=among_all_frames(distractors, mask))
    if is_training:
        weighted = theirs.config.diversity_loss_weight * answer.diversity_loss
        assert_close(weighted, loss.terms["loss_diversity"], 1e-5)
    else:
        assert_close(answer.contrastive_loss, loss.terms["loss_contrastive"], 1e-5)


def among_all_frames(distractors: Tensor, mask: Tensor) -> Tensor:
    """Indices into the masked frames of an utterance, as transformers has them: for each frame, into those of the batch.

    Shape: distractors (B, M, N), mask (B, F) -> (B, F, N)
    """
    batch, frames = mask.shape
    found = torch.zeros(batch, frames, distractors.size(-1), dtype=torch.long)
    for row in range(batch):
        places = mask[row].nonzero().squeeze(1)
        found[row, places] = places[distractors[row]] + row * frames
    return found


def test_a_wrong_conversion_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = huggingface.architecture
    monkeypatch.setattr(huggingface, "architecture", lambda *given: architecture(*given) | {"do_stable_layer_norm": True})
    with pytest.raises(BudgetError, match=r"features of the exported model differ by .*hf` wasn't written"):
        huggingface.export(save(tmp_path, "hubert"), tmp_path / "hf")
    assert [path.name for path in tmp_path.iterdir()] == ["hubert.pt"]


@pytest.mark.parametrize("objective", ["tera", "best_rq"])
def test_what_cannot_be_exported(tmp_path: Path, objective: str) -> None:
    with pytest.raises(BudgetError, match=f"model of {objective}, which none of fairseq, transformers and s3prl has"):
        huggingface.export(save(tmp_path, objective), tmp_path / "hf")
    with pytest.raises(BudgetError, match=r"hubert\.pt` exists: name a place where nothing is"):
        huggingface.export(save(tmp_path, "hubert"), tmp_path / "hubert.pt")
    (tmp_path / "file").touch()
    with pytest.raises(BudgetError, match="cannot be written .*choose another place"):
        huggingface.export(tmp_path / "hubert.pt", tmp_path / "file" / "hf")

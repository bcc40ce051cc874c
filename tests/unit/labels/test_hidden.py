"""Features of a model's hidden layer: which layer, padded, in pieces, normalised, and round-2 labels from them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fairseq_budget.arithmetic.flops import forward_flops
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.data.labels import LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import FRONTENDS
from fairseq_budget.labels import hidden
from fairseq_budget.labels.features import stream
from fairseq_budget.labels.hidden import HiddenLayer, default_layer
from fairseq_budget.labels.rounds import LabelSettings, make_labels
from fairseq_budget.objectives import build_model
from tests.common import assert_close, tiny_config, waves

CPU = torch.device("cpu")


def checkpoint(folder: Path, normalize: bool = False, task_state: dict[str, Any] | None = None, **settings: Any) -> Path:
    """A checkpoint of a tiny, untrained model with four layers on narrow convolutions of the published kernels."""
    torch.manual_seed(0)
    convolutions = "[(32,10,5)] + [(32,3,2)] * 4 + [(32,2,2)] * 2"
    config = tiny_config("hubert", **{"encoder_layers": 4, "conv_feature_layers": convolutions, **settings})
    cfg = {"model": {**asdict(config), "_name": "budget_hubert"}, "task": {"normalize": normalize}}
    state = {"model": build_model("hubert", config).state_dict(), "cfg": cfg, "task_state": task_state or {}}
    torch.save(state, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


def states(path: Path, source: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return hidden.load_pretrained(path).model.extract(source)[0]


@pytest.mark.parametrize(("layers", "layer"), [(12, 6), (3, 2), (24, 12), (1, 1)])
def test_the_papers_layers_are_the_default(layers: int, layer: int) -> None:
    assert default_layer(layers) == layer


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("layer", [0, 1, 2, 4])
def test_any_layers_output(tmp_path: Path, norm_first: bool, layer: int) -> None:
    path = checkpoint(tmp_path, layer_norm_first=norm_first)
    features = HiddenLayer(path, layer, CPU)
    source = waves(1, 4_000)
    found = features(source, torch.tensor([4_000]))
    assert_close(found, states(path, source)[layer])
    assert (features.name, features.rate, features.width) == (f"hubert layer {layer} of 4", 50.0, found.size(2))
    assert found.size(1) == features.frames(4_000)


def test_the_middle_layer_by_default_and_no_others(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    assert HiddenLayer(path, None, CPU).layer == 2
    for layer in (-1, 5):
        with pytest.raises(ConfigError, match=rf"`--layer` must be from 0 to 4, .*checkpoint\.pt`, but is {layer}"):
            HiddenLayer(path, layer, CPU)


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_a_padded_row_is_what_it_is_alone(tmp_path: Path, frontend: str) -> None:
    """The shortest is too short for a frame."""
    features = HiddenLayer(checkpoint(tmp_path, frontend=frontend), None, CPU)
    source, lengths = waves(3, 6_000), torch.tensor([6_000, 2_500, 300])
    padded = features(source * (torch.arange(6_000) < lengths[:, None]), lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = features(source[row : row + 1, :length], lengths[row : row + 1])
        frames = features.frames(length)
        assert_close(padded[row, :frames], alone[0, :frames], 1e-4) if frames else None
    assert features.frames(300) == 0


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("frontend", "overlap"), [("conv", 80), ("mel", 240)])
def test_long_audio_in_pieces_loses_no_frame(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frontend: str, overlap: int, normalize: bool
) -> None:
    """Each piece is what its audio alone gives, of a wave that was normalised over its whole length."""
    monkeypatch.setattr(hidden, "CHUNK_SAMPLES", 6_500)
    features = HiddenLayer(checkpoint(tmp_path, normalize, frontend=frontend), None, CPU)
    manifest = Manifest.read(data / "train.tsv")
    longest = int(manifest.frames.argmax())
    wave = torch.from_numpy(manifest.read_audio(longest))
    if normalize:
        wave = F.layer_norm(wave, wave.shape)
    [found] = stream(manifest, [longest], features)
    assert len(found) == features.frames(16_000) == 49
    for first in (0, 20, 40):  # of the three pieces of 6,400 samples
        audio = wave[None, first * 320 : (min(first + 20, 49) - 1) * 320 + 320 + overlap]
        alone = features(audio, torch.tensor([audio.size(1)]))[0]
        assert_close(torch.from_numpy(found[first : first + 20]), alone, 1e-4)


def test_waves_are_normalised_as_in_training(data: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(data / "train.tsv")
    wave = torch.from_numpy(manifest.read_audio(2))[None]
    for normalize, expected in ((False, wave), (True, F.layer_norm(wave, wave.shape))):
        features = HiddenLayer(checkpoint(tmp_path, normalize), None, CPU)
        [found] = stream(manifest, [2], features)
        assert_close(torch.from_numpy(found), features(expected, torch.tensor([wave.size(1)]))[0], 1e-5)


def test_the_forward_pass_up_to_the_layer_is_counted(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    parts = forward_flops(hidden.load_pretrained(path).model.model_shape, 16_000)
    expected = sum(parts[name] for name in ("convolutions", "projection", "positional"))
    assert HiddenLayer(path, 0, CPU).flops(16_000) == expected
    assert HiddenLayer(path, 4, CPU).flops(16_000) == expected + parts["linear"] + parts["attention"]


def test_labels_of_a_second_and_a_third_round(data: Path, tmp_path: Path) -> None:
    ledger = Ledger(flops=70, samples=16_000, updates=3).state_dict()
    path = checkpoint(tmp_path, task_state={"ledger": ledger})
    features = HiddenLayer(path, None, CPU)
    settings = LabelSettings(clusters=8, n_init=2)
    record, _ = make_labels(data, settings, features, tmp_path / "round2")
    assert record is not None
    assert (record.round, record.rate, record.content["layer"]) == (2, 50.0, 2)
    [first] = record.rounds
    assert (first["round"], first["layer"], first["spent"], first["checkpoint"]) == (1, 2, ledger, str(path))
    manifest = Manifest.read(data / "train.tsv")
    labels = LabelFile(tmp_path / "round2" / "train.km", 8)
    labels.check(manifest.frames, 50.0)
    centres = np.load(tmp_path / "round2" / "codebook.npy").astype(np.float64)
    for index, rows in enumerate(stream(manifest, range(len(manifest)), features)):
        distances = ((rows[:, None].astype(np.float64) - centres) ** 2).sum(-1)
        assert (labels[index] == distances.argmin(-1)).all()
    lengths = [*manifest.frames.tolist(), *manifest.frames.tolist(), *Manifest.read(data / "valid.tsv").frames.tolist()]
    assert record.forward_flops == sum(map(features.flops, lengths))

    trained = {**record.identity(), "round": 2, "rounds": record.rounds, "labelling_flops": record.forward_flops}
    second = checkpoint(tmp_path, task_state={"ledger": ledger, "labels": trained})
    third, _ = make_labels(data, settings, HiddenLayer(second, 1, CPU), tmp_path / "round3")
    assert third is not None
    assert third.round == 3
    assert [(earlier["round"], earlier["labelling_flops"]) for earlier in third.rounds] == [
        (1, 0),
        (2, record.forward_flops),
    ]


def test_another_checkpoint_of_the_same_name_makes_other_labels(data: Path, tmp_path: Path) -> None:
    settings = LabelSettings(clusters=8, n_init=2)
    first = HiddenLayer(checkpoint(tmp_path), None, CPU)
    make_labels(data, settings, first, tmp_path / "out")
    assert not make_labels(data, settings, first, tmp_path / "out")[1]
    assert make_labels(data, settings, HiddenLayer(checkpoint(tmp_path, True), None, CPU), tmp_path / "out")[1]

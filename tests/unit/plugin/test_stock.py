"""Files for stock fairseq: its own loading, fine-tuning and scripts read them, without this project."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, build_model
from fairseq.tasks import TASK_DATACLASS_REGISTRY, setup_task
from omegaconf import OmegaConf
from torch import nn

from fairseq_budget.bench.torch_audio import import_torchaudio
from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin import stock
from tests.common import assert_close, waves
from tests.unit.checkpoints.conftest import LARGE, save
from tests.warm_start import FAIRSEQ, warm

LOADED = """
import sys, torch
from fairseq import checkpoint_utils
told = []
for path in sys.argv[1:]:
    [model], cfg, task = checkpoint_utils.load_model_ensemble_and_task([path])
    states = model.eval()(torch.load("source.pt"), mask=False, features_only=True)["x"]
    told.append([states.detach(), type(model).__name__, type(task).__name__, task.cfg.normalize])
assert not [name for name in sys.modules if name.startswith("fairseq_budget")]
torch.save(told, "told.pt")
"""

FINE_TUNED: dict[str, tuple[str, dict[str, Any]]] = {
    "hubert": ("hubert_ctc", {"_name": "hubert_pretraining", "fine_tuning": True, "labels": ["ltr"]}),
    "wav2vec2": ("wav2vec_ctc", {"_name": "audio_finetuning", "labels": "ltr"}),
}
# what base_10h.yaml of either sets, each with a value that no checkpoint here has
OVERRIDES: dict[str, Any] = {
    "mask_length": 7,
    "mask_prob": 0.73,
    "mask_selection": "uniform",
    "mask_other": 2.0,
    "mask_channel_length": 6,
    "mask_channel_prob": 0.53,
    "mask_channel_selection": "normal",
    "mask_channel_other": 1.0,
    "layerdrop": 0.13,
    "dropout": 0.03,
    "dropout_input": 0.04,
    "activation_dropout": 0.17,
    "attention_dropout": 0.07,
    "feature_grad_mult": 0.9,
}
READ_BACK: dict[str, Callable[[Any], Any]] = {
    "layerdrop": lambda model: model.encoder.layerdrop,
    "dropout": lambda model: model.encoder.layers[0].dropout1.p,
    "dropout_input": lambda model: model.dropout_input.p,
    "activation_dropout": lambda model: model.encoder.layers[0].dropout2.p,
    "attention_dropout": lambda model: model.encoder.layers[0].self_attn.dropout_module.p,
}


def export(folder: Path, objective: str, **changes: Any) -> tuple[Path, Path]:
    checkpoint, out = save(folder, objective, **changes), folder / f"{objective}-stock.pt"
    assert stock.export(checkpoint, out) < 1e-5
    return checkpoint, out


def fine_tuned(folder: Path, objective: str, **settings: Any) -> nn.Module:
    """The model of fairseq's own CTC fine-tuning, built as it builds it from the exported file in `folder`."""
    (folder / "dict.ltr.txt").write_text("| 1\nE 1\n")
    exported, (model, task) = folder / f"{objective}-stock.pt", FINE_TUNED[objective]
    root = OmegaConf.create(
        {
            "common": {"tpu": False, "seed": 1},
            "distributed_training": {"ddp_backend": "no_c10d"},
            "task": {**TASK_DATACLASS_REGISTRY[task["_name"]]().__dict__, **task, "data": str(folder)},
            "model": {**MODEL_DATACLASS_REGISTRY[model]().__dict__, "_name": model, "w2v_path": str(exported)},
        },
        flags={"allow_objects": True},
    )
    root.model.update(settings)
    built: nn.Module = build_model(root.model, setup_task(root.task))
    return built


@pytest.mark.integration
def test_stock_fairseq_loads_it_without_us(tmp_path: Path) -> None:
    """In a process that never imports this project: torch reads weights only, there."""
    pairs = [export(tmp_path, objective, **LARGE, normalize=True) for objective in FINE_TUNED]
    source = waves(1, 8_000)
    torch.save(source, tmp_path / "source.pt")
    ran = warm(FAIRSEQ).run([sys.executable, "-c", LOADED, *(str(out) for _, out in pairs)], tmp_path)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = torch.load(tmp_path / "told.pt")
    for (checkpoint, _), (states, *_) in zip(pairs, told, strict=True):
        assert_close(states, load_pretrained(checkpoint).model.extract(source)[0][-1], 1e-5)
    assert [names for _, *names in told] == [
        ["HubertModel", "HubertPretrainingTask", True],
        ["Wav2Vec2Model", "AudioPretrainingTask", True],
    ]


@pytest.mark.parametrize("objective", FINE_TUNED)
def test_every_override_of_fine_tuning_arrives(tmp_path: Path, objective: str) -> None:
    export(tmp_path, objective)
    encoder: Any = fine_tuned(tmp_path, objective, apply_mask=True, freeze_finetune_updates=3, **OVERRIDES).w2v_encoder
    found = {name: READ_BACK.get(name, attrgetter(name))(encoder.w2v_model) for name in OVERRIDES}
    assert {name: str(value) if isinstance(value, str) else value for name, value in found.items()} == OVERRIDES
    assert (encoder.apply_mask, encoder.freeze_finetune_updates) == (True, 3)


@pytest.mark.parametrize("objective", FINE_TUNED)
def test_an_override_is_lost_without_its_setting(tmp_path: Path, objective: str) -> None:
    """Why the configuration is complete: fairseq says nothing."""
    _, out = export(tmp_path, objective)
    state = torch.load(out)
    del state["cfg"]["model"]["mask_channel_prob"]
    torch.save(state, out)
    model: Any = fine_tuned(tmp_path, objective, **OVERRIDES)
    assert model.w2v_encoder.w2v_model.mask_channel_prob == 0.0


@pytest.mark.parametrize("objective", FINE_TUNED)
def test_the_configuration_is_complete(tmp_path: Path, objective: str) -> None:
    _, out = export(tmp_path, objective, encoder_layerdrop=0.3)
    cfg = torch.load(out, weights_only=True)["cfg"]
    for section, registry in (("model", MODEL_DATACLASS_REGISTRY), ("task", TASK_DATACLASS_REGISTRY)):
        name = stock.NAMES[objective][section]
        assert cfg[section].keys() == registry[name].__dataclass_fields__.keys() - set(stock.NOT_IN_0_12_2)
        assert cfg[section]["_name"] == name
    assert cfg["model"]["encoder_layerdrop"] == 0.3
    assert {"common", "dataset", "optimization", "optimizer", "criterion"} <= cfg.keys()


def test_what_the_run_had_comes_along(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, "wav2vec2", diversity_weight=0.05)
    run = {
        "common": {"seed": 7, "user_dir": "/of/this/project", "fp16": True},
        "dataset": {"max_tokens": 1_400_000},
        "optimizer": {"_name": "adam", "weight_decay": 0.02},
        "task": {"data": "manifests", "max_sample_size": 250_000, "padding": True, "budget": {"flops": 1e18}},
    }
    cfg = stock.configuration(load_pretrained(checkpoint), run)
    assert (cfg["common"]["seed"], cfg["common"]["fp16"], cfg["common"]["user_dir"]) == (7, True, None)
    assert cfg["dataset"]["max_tokens"] == 1_400_000
    assert cfg["optimizer"]["weight_decay"] == 0.02
    assert (cfg["task"]["max_sample_size"], cfg["task"]["enable_padding"]) == (250_000, True)
    assert cfg["criterion"]["loss_weights"] == [0.05, 10.0]
    with pytest.raises(BudgetError, match="fairseq can't have a setting of this checkpoint's .*max_tokens"):
        stock.configuration(load_pretrained(checkpoint), {"dataset": {"max_tokens": "many"}})


@pytest.mark.parametrize("objective", FINE_TUNED)
def test_torchaudio_imports_it(tmp_path: Path, objective: str) -> None:
    _, out = export(tmp_path, objective)
    [model], _, _ = stock.checkpoint_utils.load_model_ensemble_and_task([str(out)])
    import_torchaudio()
    from torchaudio.models.wav2vec2.utils import import_fairseq_model

    source = waves(1, 8_000)
    with torch.no_grad():
        theirs = import_fairseq_model(model.eval()).eval().extract_features(source)[0][-1]
        assert_close(theirs, model(source, mask=False, features_only=True)["x"], 1e-5)


def test_it_is_read_here_again(tmp_path: Path) -> None:
    checkpoint, out = export(tmp_path, "hubert", normalize=True)
    ours, again = load_pretrained(checkpoint), load_pretrained(out)
    assert again.normalize
    assert again.config == ours.config
    for name, value in ours.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])


@pytest.mark.parametrize("objective", ["tera", "best_rq"])
def test_what_fairseq_does_not_have(tmp_path: Path, objective: str) -> None:
    with pytest.raises(BudgetError, match=f"model of {objective}, which none of fairseq, transformers and s3prl has"):
        stock.export(save(tmp_path, objective), tmp_path / "stock.pt")
    with pytest.raises(BudgetError, match=r"frames of the front end `mel`, which no model of fairseq"):
        stock.export(save(tmp_path, "hubert", frontend="mel"), tmp_path / "stock.pt")


def test_a_wrong_export_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "asdict", lambda config: {**asdict(config), "layer_norm_first": True})
    with pytest.raises(BudgetError, match=r"features of the exported model differ by .*stock\.pt` wasn't written"):
        stock.export(save(tmp_path, "hubert"), tmp_path / "stock.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["hubert.pt"]

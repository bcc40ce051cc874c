"""fairseq's own fine-tuning from an exported checkpoint, with the settings of its base_10h and base_1h recipes, in small."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

import fairseq_budget
from fairseq_budget.checkpoints.safe_load import plain, safe_load
from tests.common import save_untrained, tiny_config

from .conftest import check, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MASKING = {"apply_mask": True, "mask_channel_prob": 0.5, "mask_channel_length": 8, "activation_dropout": 0.1}
RECIPES: dict[str, dict[str, Any]] = {
    "hubert base_10h": {
        "task": {"_name": "hubert_pretraining", "fine_tuning": True, "labels": ["ltr"], "single_target": True},
        "model": {"_name": "hubert_ctc", "mask_prob": 0.75, "layerdrop": 0.1, "attention_dropout": 0.0, **MASKING},
    },
    "wav2vec2 base_10h": {
        "task": {"_name": "audio_finetuning", "labels": "ltr"},
        "model": {"_name": "wav2vec_ctc", "mask_prob": 0.65, "layerdrop": 0.05, **MASKING},
    },
    "wav2vec2 base_1h": {
        "task": {"_name": "audio_finetuning", "labels": "ltr"},
        "model": {"_name": "wav2vec_ctc", "mask_prob": 0.65, "layerdrop": 0.1, **MASKING, "mask_channel_prob": 0.25},
    },
}


def recipe(name: str, data: Path, exported: Path) -> dict[str, Any]:
    chosen = RECIPES[name]
    frozen = {"feature_grad_mult": 0.0, "freeze_finetune_updates": 2}
    return {
        "common": {
            "cpu": True,
            "user_dir": str(Path(fairseq_budget.__file__).parent),
            "log_format": "json",
            "log_interval": 1,
        },
        "checkpoint": {"save_dir": "checkpoints", "no_epoch_checkpoints": True, "best_checkpoint_metric": "wer"},
        "dataset": {"num_workers": 0, "max_tokens": 320_000},
        "task": {**chosen["task"], "data": str(data), "normalize": False},
        "criterion": {"_name": "ctc", "zero_infinity": True},
        "optimization": {"max_update": 4, "lr": [5e-5], "sentence_avg": True, "update_freq": [1]},
        "optimizer": {"_name": "adam", "adam_betas": "(0.9,0.98)", "adam_eps": 1e-8},
        "lr_scheduler": {"_name": "tri_stage", "phase_ratio": [0.1, 0.4, 0.5], "final_lr_scale": 0.05},
        "model": {**chosen["model"], **frozen, "w2v_path": str(exported)},
    }


@pytest.mark.parametrize("name", RECIPES)
def test_it_trains_from_the_exported_file(name: str, corpus: Path, tmp_path: Path) -> None:
    objective = name.split()[0]
    check(run(["fairseq-budget", "asr", "transcripts", str(corpus / "data")], corpus))
    checkpoint = save_untrained(tmp_path / "pretrained.pt", objective, **asdict(tiny_config(objective)))
    check(run(["fairseq-budget", "export", str(checkpoint), "exported.pt", "--to", "fairseq"], tmp_path))
    made = recipe(name, corpus / "data", tmp_path / "exported.pt")
    (tmp_path / "small_10h.yaml").write_text(f"# @package _global_\n{yaml.safe_dump(made)}")
    command = ["fairseq-hydra-train", "--config-dir", str(tmp_path), "--config-name", "small_10h"]
    ended = check(run([*command, f"hydra.run.dir={tmp_path / 'run'}"], tmp_path))
    assert "done training" in ended.stdout + ended.stderr
    state = safe_load(tmp_path / "run/checkpoints/checkpoint_last.pt")
    assert plain(state["optimizer_history"])[-1]["num_updates"] == 4

"""Model cards: what the records tell stands there, and what nobody knows is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.records.results import read_results
from fairseq_budget.report.model_card import Model, model_card
from tests.unit.report.superb.conftest import record as downstream_record

MODEL = Model("wav2vec2", "Wav2Vec2ForPreTraining", "12 layers x 384", True, 4_000)


def record(**changes: Any) -> PretrainingRecord:
    values = {
        "kind": "pretrain",
        "objective": "wav2vec2",
        "size": "slim",
        "params": 20e6,
        "budget": {"flops": 2e17},
        "spent": {"flops": 1e17, "updates": 4_000, "hours_heard": 194.0, "device_hours": 2.5},
        "metrics": {"train_loss": 4.25, "valid_loss": 4.5},
        "loss_unit": "bits",
        "data": {"train": "manifests", "hours": 960.0, "digests": {"train": "abc"}},
        "git": "0123abc",
        "command": "fairseq-hydra-train --config-name wav2vec2",
        "versions": {"torch": "2.13.0"},
        "flops_convention": "2xMAC",
    }
    return PretrainingRecord.model_validate(values | changes)


def test_what_the_record_tells() -> None:
    card = model_card(MODEL, record(), licence="cc-by-4.0")
    for text in (
        "# wav2vec 2.0, slim",
        "Budget: 200.00 PFLOP; 50.0% of it is spent",
        "Spent: 100.00 PFLOP, 194 h heard, 2.5 h of device time, 4,000 updates (FLOPs: 2xMAC)",
        "Data: 960 h of speech, manifest rows with SHA-256 `abc`",
        "Training loss: 4.250 bits",
        "Validation loss: 4.500 bits",
        "revision `0123abc`, with torch 2.13.0",
        "`fairseq-hydra-train --config-name wav2vec2`",
        "batches without padding",
        "at 16 kHz, normalised by the feature extractor",
    ):
        assert text in card, text
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "cc-by-4.0"
    assert "## Licence\n\ncc-by-4.0" in body


def test_what_nobody_knows() -> None:
    card = model_card(MODEL, None)
    assert "4,000 updates\n- Budget, data and losses are unknown" in card
    assert "None was named (`--licence`)" in card
    assert "None was given. `fairseq-budget superb`" in card
    assert "license" not in yaml.safe_load(card.split("---\n")[1])
    assert "Pre-training goes on" not in card


def test_what_goes_on_in_transformers() -> None:
    goes_on = Model(
        "wav2vec2", "Wav2Vec2ForPreTraining", "2 x 64", False, 1, {"mask_prob": 0.65, "mask_length": 10, "penalty": 10.0}
    )
    assert "`mask_time_prob=0.65` and `mask_time_length=10`" in model_card(goes_on, None)


def test_superbs_rows(tmp_path: Path) -> None:
    downstream_record(tmp_path / "ks", "ks", {"KS_ACC": 91.25}, objective="wav2vec2")
    card = model_card(MODEL, record(), read_results([tmp_path]))
    assert "91.25" in card.split("## Evaluation")[1].split("## Limits")[0]

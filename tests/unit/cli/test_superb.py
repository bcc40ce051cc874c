"""``fairseq-budget superb``: its options, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app, superb


def row(**changes: Any) -> dict[str, Any]:
    spent = {"upstream_flops": 10**12, "head_flops": 5 * 10**11, "device_seconds": 90.0}
    plain = {"task": "ks", "metric": "acc", "lr": 1e-3, "step": 5000, "dev": 0.9, "test": 0.875, "scores": {"KS_ACC": 87.5}}
    chosen = {"selected_by": {"metric": "acc", "value": 0.9}, "error": None, "spent": spent, "cells": [], "sweep": {}}
    return {**plain, **chosen, **changes}


def test_the_table_has_a_line_for_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    folds = row(task="er", step=None, selected_by=None, dev=0.6, scores={"ER_ACC": 61.25})
    two = row(task="sf", scores={"SF_F1": 80.0, "SF_CER": 30.0}, selected_by={"metric": "slot_type_f1", "value": 0.8})
    layers = row(task="qbe", metric="MTWV", lr=None, layer=7, step=None, selected_by=None, dev=0.05)
    superb._print([row(), folds, two, layers])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "ks lr 0.001 5,000 acc 0.9 KS_ACC 87.5 1.50 TFLOP 1.5 min" in lines
    assert "er lr 0.001 – acc 0.6 ER_ACC 61.25 1.50 TFLOP 1.5 min" in lines
    assert "sf lr 0.001 5,000 slot_type_f1 0.8 SF_F1 80 1.50 TFLOP 1.5 min" in lines and "SF_CER 30" in lines
    assert "qbe layer 7 – MTWV 0.05 KS_ACC 87.5 1.50 TFLOP 1.5 min" in lines


def test_what_went_wrong_stands_under_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    trials = [{"lr": 0.1, "error": "ValueError: no trials", "chosen": False, "variant": "fold2"}]
    partial = {"incomplete": {"missing": 12, "of": 345, "such_as": ["a.wav"]}}
    changed = {"runner.total_steps": 30, "runner.eval_step": 6}
    failed = {"task": "asr", "metric": "wer", "dev": None, "test": None, "step": None, "lr": None, "scores": {}}
    unknown = row(spent={"upstream_flops": None, "head_flops": 1, "device_seconds": 1.0})
    remarkable = row(cells=trials, sweep={"changed": changed}, **partial)
    superb._print([remarkable, {**failed, "error": "NameError: Nothing"}, unknown, row(task="sid", padding=0.334)])
    text = capsys.readouterr().out
    assert "sid: ‡ padded batches change this upstream's features, by 33.4% of the largest value" in text
    assert text.count("87.5‡") == 1
    assert "ks, lr 0.1 fold2: ValueError: no trials" in text and "asr: NameError: Nothing" in text
    assert "ks: incomplete corpus (12 of 345 files missing)" in text
    assert "ks: not the official recipe (runner.total_steps=30, runner.eval_step=6)" in text
    assert [line.split()[-3:] for line in text.splitlines() if "KS_ACC" in line][1] == ["–", "1.0", "s"]


def test_a_dry_run_says_what_tasks_cannot_do_and_begins_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for corpus in ("SPEECH_COMMANDS", "FLUENT_COMMANDS"):
        monkeypatch.delenv(corpus, raising=False)
    monkeypatch.chdir(tmp_path)
    asked = ["superb", "--upstream", "fbank", "--tasks", "ks,ic", "--dry-run"]
    shown, told = CliRunner().invoke(app, asked), CliRunner().invoke(app, [*asked, "--json"])
    assert shown.exit_code == told.exit_code == 1
    assert "FLUENT_COMMANDS" in shown.stdout
    found = json.loads(told.stdout)
    assert [(one["task"], one["kind"]) for one in found] == [("ks", "corpus"), ("ic", "corpus")]
    assert "SPEECH_COMMANDS" in found[0]["message"]
    assert list(tmp_path.iterdir()) == []

"""Study folders as run.sh leaves them: records and logs with numbers chosen by the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

PERCENT = {"30": 30, "slim": 100, "small": 100, "base": 473}
PARAMS = {"30": 5_900_000, "slim": 20_012_345, "small": 20_900_000, "base": 94_700_000}
UNIT = {"hubert": "bits", "wav2vec2": "bits", "tera": "L1"}


class StudyFolder:
    """Writes the input of a report under `out`."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def pretrain(self, objective: str, size: str, log: Sequence[str] | None = (), /, **changes: Any) -> Path:
        """One pre-training run: 3 TFLOP asked and spent in 12 updates; `changes` replace keys of its record."""
        record: dict[str, Any] = {
            "kind": "pretrain",
            "objective": objective,
            "size": size,
            "percent": PERCENT.get(size),
            "params": PARAMS.get(size),
            "budget": {"flops": 3e12},
            "spent": {
                "flops": 3.06e12,
                "hardware_flops": 3.2e12,
                "hours_heard": 0.25,
                "updates": 12,
                "device_hours": 0.02,
                "wall_seconds": 72.0,
            },
            "plan": {
                "flops_per_update": 2.5e11,
                "updates": 12,
                "flops": 3e12,
                "hours_heard": 0.2,
                "epochs": 0.4,
                "packing": 0.97,
            },
            "metrics": {"train_loss": 6.2, "valid_loss": 6.0},
            "loss_unit": UNIT[objective],
            "data": {"train": "data/train.tsv", "hours": 0.5},
            "train_log": "train.log",
            "versions": {"fairseq_budget": "0.1.0", "torch": "2.13.0"},
            "git": "0123abc",
            "command": f"fairseq-hydra-train --config-name {objective} size={size}",
        }
        folder = self.out / "pretrain" / f"{objective}-{size}"
        write_record(folder, {**record, **changes})
        if log is not None:
            (folder / "train.log").write_text("".join(f"{line}\n" for line in log), encoding="utf-8")
        return folder

    def downstream(self, objective: str, size: str | None, dev: float | None, test: float | None, /, **changes: Any) -> Path:
        """One keyword-spotting run of 40 steps."""
        name = objective if size is None else f"{objective}-{size}"
        record: dict[str, Any] = {
            "kind": "downstream",
            "task": "ks",
            "upstream": f"budget_{size}" if size else objective,
            "objective": objective,
            "size": size,
            "metric": "acc",
            "higher_is_better": True,
            "dev": dev,
            "test": test,
            "step": 30,
            "steps": 40,
            "lr": 1e-4,
            "wall_seconds": 33.0,
            "versions": {"s3prl": "0.4.18"},
            "git": "0123abc",
            "command": f"run_downstream -n {name}",
        }
        folder = self.out / "downstream" / "ks" / name
        write_record(folder, {**record, **changes})
        return folder


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """The record as JSON in its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")


def predictions(folder: Path, right: int) -> None:
    """s3prl's files of 100 test items, of which the first `right` are right."""
    for what, labels in (("truth", ["a"] * 100), ("predict", ["a"] * right + ["b"] * (100 - right))):
        (folder / f"test_{what}.txt").write_text("".join(f"{place}.wav {label}\n" for place, label in enumerate(labels)))


def bare(line: str) -> str:
    """The line as fairseq's own log file has it: the JSON object alone."""
    return line[line.index("{") :]


def train_line(updates: int, loss: float, flops: float | None = None) -> str:
    """A training line as on fairseq's console."""
    stats = {"epoch": 1, "update": 0.5, "loss": f"{loss:g}", "num_updates": str(updates), "lr": "0.0005"}
    if flops is not None:
        stats["flops"] = f"{flops:g}"
    return f"2026-11-21 07:00:00 | INFO | train_inner | {json.dumps(stats)}"


def valid_line(updates: int, loss: float) -> str:
    """A validation line as in Hydra's log file."""
    stats = {"epoch": 1, "valid_loss": f"{loss:g}", "valid_num_updates": str(updates)}
    return f"[2026-11-21 07:00:09,123][valid][INFO] - {json.dumps(stats)}"


@pytest.fixture
def study_folder(tmp_path: Path) -> StudyFolder:
    """An empty study."""
    return StudyFolder(tmp_path / "study")

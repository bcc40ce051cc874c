"""Speaker diarization on Libri2Mix."""

from __future__ import annotations

import importlib
import types
from argparse import Namespace
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import der
from s3prl_upstreams.tasks.base import Config, Metric, Selection, Task


def _can_be_scored(args: Namespace, expert: Config) -> None:
    """SD: what the score needs is asked for before the hours of evaluation, not after them."""
    if args.mode == "evaluate" and args.evaluate_split == "test":
        der.require_library()
        der.read_rttm(Path(expert["loaderrc"]["test_dir"], "rttm"))


def _lists_name_files(args: Namespace, expert: Config) -> None:
    """SD: Kaldi's lists may have a command in place of a file, which s3prl would run."""
    for name in ("train_dir", "dev_dir", "test_dir"):
        lists = Path(expert["loaderrc"][name], "wav.scp")
        lines = lists.read_text(encoding="utf-8").splitlines() if lists.is_file() else []
        for number, line in enumerate(lines, start=1):
            if line.rstrip().endswith("|") or line.split()[1:] == ["-"]:
                raise BudgetError(f"`{lists}`, line {number}: `{line[:80]}` names a command, not a file: make files of them")


def read_files_only(config: Config) -> None:
    """SD: whatever lists say when they are read, no command is run."""
    importlib.import_module("s3prl.downstream.diarization.dataset").subprocess = types.SimpleNamespace(
        Popen=_refuse, PIPE=None
    )


def _refuse(command: str, **_: Any) -> None:
    raise BudgetError(f"`{command[:80]}` in a wav.scp is a command, not a file: make files of such entries")


def _error_rate(args: Namespace, expert: Config) -> tuple[float, str] | None:
    """SD's diarization error rate; only of the test split, whose predictions are saved."""
    if args.evaluate_split != "test":
        return None
    folder = Path(args.expdir)
    shift = int((folder / "frame_shift").read_text(encoding="utf-8"))
    reference = Path(expert["loaderrc"]["test_dir"], "rttm")
    value, threshold, median = der.error_rate(folder / "scoring" / "predictions", reference, shift)
    return value, f"threshold {threshold}, median filter {median}"


TASK = Task(
    "sd",
    "Speaker diarization",
    "diarization",
    "sd.yaml",
    (Metric("DER", "SD_DER", False),),
    Selection("dev", "acc", True, 0.0, "best-states-dev.ckpt"),
    ("SUPERB",),
    paths={"loaderrc.train_dir": Path.is_dir, "loaderrc.dev_dir": Path.is_dir, "loaderrc.test_dir": Path.is_dir},
    checks=(_can_be_scored, _lists_name_files),
    fixes=(read_files_only,),
    scorer=_error_rate,
)

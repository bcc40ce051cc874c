"""Speaker diarization on Libri2Mix."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from s3prl_upstreams.tasks import der
from s3prl_upstreams.tasks.base import Config, Metric, Selection, Task


def _can_be_scored(args: Namespace, expert: Config) -> None:
    """SD: what the score needs is asked for before the hours of evaluation, not after them."""
    if args.mode == "evaluate" and args.evaluate_split == "test":
        der.require_library()
        der.read_rttm(Path(expert["loaderrc"]["test_dir"], "rttm"))


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
    checks=(_can_be_scored,),
    scorer=_error_rate,
)

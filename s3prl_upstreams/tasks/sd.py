"""Speaker diarization on Libri2Mix."""

from __future__ import annotations

import importlib
import types
from argparse import Namespace
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import der
from s3prl_upstreams.tasks.base import Config, Metric, ModelSelection, Task
from s3prl_upstreams.tasks.listing import Listing, keep_lines, lines, write

_SPLITS = ("train", "dev", "test")
_KALDI = ("wav.scp", "segments", "utt2spk", "spk2utt", "reco2dur")


def _can_be_scored(args: Namespace, expert: Config) -> None:
    """SD: what the score needs is asked for before the hours of evaluation, not after them."""
    if args.mode == "evaluate" and args.evaluate_split == "test":
        der.require_library()
        der.read_reference(Path(expert["loaderrc"]["test_dir"], "rttm"))


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


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The files of the Kaldi folders, and the recordings in wav.scp: lines `RECORDING PATH`."""
    for split in (split for split in splits if split in _SPLITS):
        folder = Path(expert["loaderrc"][f"{split}_dir"])
        yield Listing("Kaldi's layout", (folder,), _KALDI, needed=True)
        names = tuple(line.split(maxsplit=1)[1].strip() for line in lines(folder / "wav.scp"))
        yield Listing(folder / "wav.scp", (Path(),), names)


def _leave_out(expert: Config, folder: Path) -> None:
    """Kaldi folders of the recordings that are there, with the utterances and speakers in them."""
    for split in _SPLITS:
        source, target = Path(expert["loaderrc"][f"{split}_dir"]), folder / split
        audio = dict(line.split(maxsplit=1) for line in lines(source / "wav.scp"))
        there = {recording for recording, path in audio.items() if Path(path.strip()).is_file()}
        segments = [line.split() for line in lines(source / "segments")]
        kept = {utterance for utterance, recording, *_ in segments if recording in there}
        for name, place, wanted in (
            ("wav.scp", 0, there),
            ("reco2dur", 0, there),
            ("segments", 1, there),
            ("utt2spk", 0, kept),
            ("rttm", 1, there),
        ):
            keep_lines(source / name, target / name, lambda line, i=place, among=wanted: line.split()[i] in among)
        speakers = (line.split() for line in lines(source / "spk2utt"))
        said = {name: [utterance for utterance in utterances if utterance in kept] for name, *utterances in speakers}
        write(target / "spk2utt", "".join(f"{name} {' '.join(found)}\n" for name, found in said.items() if found))
        expert["loaderrc"][f"{split}_dir"] = str(target)


TASK = Task(
    "sd",
    "Speaker diarization",
    "diarization",
    "sd.yaml",
    (Metric("DER", "SD_DER", False),),
    ModelSelection("dev", "acc", True, 0.0, "best-states-dev.ckpt"),
    ("SUPERB",),
    paths={"loaderrc.train_dir": Path.is_dir, "loaderrc.dev_dir": Path.is_dir, "loaderrc.test_dir": Path.is_dir},
    checks=(_can_be_scored, _lists_name_files),
    lists=_lists,
    leave_out=_leave_out,
    fixes=(read_files_only,),
    scorer=_error_rate,
    seconds=20.0,
)

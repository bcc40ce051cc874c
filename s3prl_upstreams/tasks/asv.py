"""Speaker verification on VoxCeleb1."""

from __future__ import annotations

import importlib
import os
from argparse import Namespace
from collections.abc import Collection, Iterator
from pathlib import Path

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks.base import Config, Metric, Task
from s3prl_upstreams.tasks.listing import Listing, keep_lines, lines
from s3prl_upstreams.user_cache import user_cache

_SPLIT_OF_IDENTIFICATION = "iden_split.txt"
"""VoxCeleb's own list of all recordings."""


def _scores_of_trials(args: Namespace, expert: Config) -> None:
    """ASV has no development split: evaluating on one fails inside s3prl, after all embeddings were made."""
    if args.mode == "evaluate" and args.evaluate_split != "test":
        raise BudgetError(f"`-t {args.evaluate_split}`: ASV is scored on its test trials only, use `-t test`")


def measure_lengths_of_this_corpus(config: Config) -> None:
    """ASV: the lengths of the training files are kept inside s3prl's package, too, under a name that is always the same.

    They are measured in 12 processes, each of which imports torch; threads do as well.
    """
    datarc = config["downstream_expert"]["datarc"]
    dataset = importlib.import_module("s3prl.downstream.sv_voxceleb1.dataset")
    wavs = Path(datarc["file_path"], "dev", "wav")
    speakers = "\n".join(sorted(entry.name for entry in wavs.iterdir()))
    folder = user_cache("corpora", os.fsencode(wavs.resolve()), speakers.encode())
    dataset.__file__ = str(folder / "dataset.py")  # its lengths lie in a folder beside it
    importlib.import_module("joblib").parallel_config(backend="threading")


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The trials; and for training, which takes whatever is in dev/wav, the corpus's list of all where it has one."""
    datarc = expert["datarc"]
    root = Path(datarc["file_path"])
    folders = (root / "dev" / "wav", root / "test" / "wav")
    if "train" in splits:
        everything = root / _SPLIT_OF_IDENTIFICATION
        yield Listing(everything, folders, tuple(line.split()[-1] for line in lines(everything)))
        yield _of_trials(Path(datarc["dev_meta_data"]), folders)
    yield _of_trials(Path(datarc["test_meta_data"]), folders[1:])


def _of_trials(table: Path, folders: tuple[Path, ...]) -> Listing:
    return Listing(table, folders, tuple(dict.fromkeys(path for line in lines(table) for path in line.split()[1:])))


def _leave_out(expert: Config, folder: Path) -> None:
    """Trials of which both recordings are there."""
    datarc = expert["datarc"]
    table, wavs = Path(datarc["test_meta_data"]), Path(datarc["file_path"], "test", "wav")
    kept = keep_lines(table, folder / table.name, lambda line: all((wavs / path).is_file() for path in line.split()[1:]))
    datarc["test_meta_data"] = str(kept)


TASK = Task(
    "asv",
    "Speaker verification",
    "sv_voxceleb1",
    "asv.yaml",
    (Metric("EER", "ASV_EER", False),),
    None,
    ("VOXCELEB1", "SUPERB"),
    dev_split=None,
    paths={
        "datarc.file_path": Path.is_dir,
        "datarc.dev_meta_data": Path.is_file,
        "datarc.test_meta_data": Path.is_file,
    },
    checks=(_scores_of_trials,),
    lists=_lists,
    leave_out=_leave_out,
    fixes=(measure_lengths_of_this_corpus,),
    seconds=4.0,
)

"""Speaker verification on VoxCeleb1."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks.base import Config, Metric, Task
from s3prl_upstreams.tasks.corpus_cache import corpus_cache


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
    folder = corpus_cache(str(wavs), speakers.encode())
    dataset.__file__ = str(folder / "dataset.py")  # its lengths lie in a folder beside it
    importlib.import_module("joblib").parallel_config(backend="threading")


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
    fixes=(measure_lengths_of_this_corpus,),
)

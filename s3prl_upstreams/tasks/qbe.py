"""Query by example on QUESST 2014; nothing is trained."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.extras import install
from s3prl_upstreams.tasks import mtwv
from s3prl_upstreams.tasks.base import Config, Metric, Task


def _one_layer(args: Namespace, expert: Config) -> None:
    """QbE isn't trained, so a weighted sum of layers would be an even one; and it needs two packages of its own."""
    if args.mode == "train":
        raise BudgetError("`-m train`: QbE has nothing to train, use `-m evaluate -t dev -l LAYER`")
    for module, package in (("dtw", "dtw-python"), ("lxml", "lxml")):
        if importlib.util.find_spec(module) is None:
            raise BudgetError(f"QbE needs the package {package}: {install(module)}")


def _term_weighted_value(args: Namespace, expert: Config) -> tuple[float, str]:
    """QbE's maximum term-weighted value; s3prl takes every split but dev for the corpus's eval."""
    split = "dev" if args.evaluate_split == "dev" else "eval"
    reference = Path(expert["datarc"]["dataset_root"], "scoring", f"groundtruth_quesst14_{split}")
    value, threshold = mtwv.score(Path(args.expdir, "benchmark.stdlist.xml"), reference)
    return value, f"threshold {threshold:.4f}"


TASK = Task(
    "qbe",
    "Query by example",
    "quesst14_dtw",
    "qbe.yaml",
    (Metric("MTWV", "QbE_MTWV", True, factor=1.0, unit=""),),
    None,
    ("QUESST14",),
    trains=False,
    paths={"datarc.dataset_root": Path.is_dir},
    checks=(_one_layer,),
    scorer=_term_weighted_value,
)

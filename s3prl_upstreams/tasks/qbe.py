"""Query by example on QUESST 2014; nothing is trained."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from collections.abc import Collection, Iterator
from pathlib import Path

from fairseq_budget.errors import BudgetError, MissingPackage
from fairseq_budget.extras import install
from s3prl_upstreams.tasks import mtwv
from s3prl_upstreams.tasks.base import Config, Metric, Task
from s3prl_upstreams.tasks.listing import Listing, keep_lines, lines, mirror


def _one_layer(args: Namespace, expert: Config) -> None:
    """QbE isn't trained, so a weighted sum of layers would be an even one; and it needs two packages of its own."""
    if args.mode == "train":
        raise BudgetError("`-m train`: QbE has nothing to train, use `-m evaluate -t dev -l LAYER`")
    for module, package in (("dtw", "dtw-python"), ("lxml", "lxml")):
        if importlib.util.find_spec(module) is None:
            raise MissingPackage(f"QbE needs the package {package}: {install(module)}")


def _term_weighted_value(args: Namespace, expert: Config) -> tuple[float, str]:
    """QbE's maximum term-weighted value; s3prl takes every split but dev for the corpus's eval."""
    split = "dev" if args.evaluate_split == "dev" else "eval"
    reference = Path(expert["datarc"]["dataset_root"], "scoring", f"groundtruth_quesst14_{split}")
    value, threshold = mtwv.score(Path(args.expdir, "benchmark.stdlist.xml"), reference)
    return value, f"threshold {threshold:.4f}"


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The English recordings, and the English queries of the splits."""
    root = Path(expert["datarc"]["dataset_root"])
    tables = _tables(root, splits)
    yield Listing("the corpus", (root,), tuple(str(table.relative_to(root)) for table in tables), needed=True)
    for table in tables:
        yield Listing(table, (root,), tuple(_inside(line) for line in lines(table) if line.split()[1] == "nnenglish"))


def _tables(root: Path, splits: Collection[str]) -> list[Path]:
    names = dict.fromkeys(["utterances", *("dev" if split == "dev" else "eval" for split in splits)])
    return [root / "scoring" / f"language_key_{name}.lst" for name in names]


def _inside(line: str) -> str:
    """The path in the corpus, of a line `quesst14Database/PATH LANGUAGE`."""
    return line.split()[0].partition("/")[2]


def _leave_out(expert: Config, folder: Path) -> None:
    root = Path(expert["datarc"]["dataset_root"])
    mirror(root, folder, but=("scoring",))
    tables = _tables(root, ("dev", "test"))
    mirror(root / "scoring", folder / "scoring", but=[table.name for table in tables])
    for table in tables:
        keep_lines(table, folder / "scoring" / table.name, lambda line: (root / _inside(line)).is_file())
    expert["datarc"]["dataset_root"] = str(folder)


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
    lists=_lists,
    leave_out=_leave_out,
    scorer=_term_weighted_value,
)

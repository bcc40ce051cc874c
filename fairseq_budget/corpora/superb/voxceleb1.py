"""SID's split and ASV's trials, for VoxCeleb1."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.librispeech import write_text
from fairseq_budget.errors import BudgetError

SPLIT = "iden_split.txt"
"""VoxCeleb's own name for what s3prl calls veri_test_class.txt."""

TRIALS = "veri_test.txt"
"""VoxCeleb's own name for what s3prl calls voxceleb1_test_v2.txt."""


def identification(root: Path, out: Path, own_lists: bool) -> list[str]:
    """SID: which recording is for training, development and test."""
    target = out / public.IDENTIFICATION.name
    if own_lists:
        came = _copy(root / SPLIT, target)
    else:
        came = public.obtain(public.IDENTIFICATION, target, [root / SPLIT])
    listed = [line.split()[-1] for line in _lines(target)]
    _check(listed, [root / "dev" / "wav", root / "test" / "wav"], target)
    return [f"{target}: {len(listed)} recordings, {came}"]


def verification(root: Path, out: Path, own_lists: bool) -> list[str]:
    """ASV: the trials on test, and those on dev, which s3prl reads and doesn't score."""
    target, dev = out / public.TRIALS.name, out / public.DEV_TRIALS.name
    if own_lists:
        came = _copy(root / TRIALS, target)
        # s3prl wants a readable list and does nothing with it
        came_dev = _copy(root / TRIALS, dev)
    else:
        came = public.obtain(public.TRIALS, target, [root / TRIALS])
        came_dev = public.obtain(public.DEV_TRIALS, dev)
    trials = [line.split() for line in _lines(target)]
    _check((path for _, *pair in trials for path in pair), [root / "test" / "wav"], target)
    if len({label for label, *_ in trials}) < 2:
        raise BudgetError(
            f"`{target}` must have trials of one speaker (1) and of two (0): without both there's no error rate"
        )
    return [f"{target}: {len(trials)} trials, {came}", f"{dev}: {came_dev}"]


def _check(paths: Iterable[str], folders: list[Path], listed_in: Path) -> None:
    """BudgetError if a recording is in none of the folders."""
    wanted = sorted(set(paths))
    missing = [path for path in wanted if not any((folder / path).is_file() for folder in folders)]
    if missing:
        raise BudgetError(
            f"{len(missing)} of the {len(wanted)} recordings in `{listed_in}` aren't under {folders[0]}, such as "
            f"`{missing[0]}`: unpack VoxCeleb1's dev and test archives there"
        )


def _copy(source: Path, target: Path) -> str:
    write_text(target, "".join(f"{line}\n" for line in _lines(source)))
    return f"copied from {source}"


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise BudgetError(f"no file `{path}`: it comes with the corpus, from the site of VoxCeleb")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]

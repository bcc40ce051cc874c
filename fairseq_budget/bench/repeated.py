"""A corpus of many utterances out of a small one: its rows, and its labels, again and again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir

from fairseq_budget.data.label_binary import binary_path
from fairseq_budget.data.labels import DICTIONARY_NAME, LabelFile, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError

SPLIT = "train"
_LABELS = f"{SPLIT}.km"


def repeat_manifest(data: Path, folder: Path, utterances: int) -> None:
    """Write a train.tsv of `data`'s utterances, again and again until there are so many, or each once."""
    source = Manifest.read(data / f"{SPLIT}.tsv")
    rows = [f"{row}\n" for _, block in source.rows() for row in block]
    folder.mkdir()
    _repeat(folder / f"{SPLIT}.tsv", f"{source.root.absolute()}\n", rows, utterances)


def repeat_labels(data: Path, folder: Path, utterances: int) -> None:
    """Write a train.km and a dictionary for the rows of :func:`repeat_manifest`; the binary copy is left to the start."""
    rows = (data / _LABELS).read_text(encoding="utf-8").splitlines(keepends=True)
    _repeat(folder / _LABELS, "", rows, utterances)
    shutil.copy(data / DICTIONARY_NAME, folder)


def check_labels_fit(data: Path, utterances: int) -> None:
    """Refuse so many utterances before they are written.

    Raises:
        BudgetError: `data` has no labels, or other ones than the manifest has rows, or temporary files have no room.
    """
    labels = LabelFile(data / _LABELS, read_dictionary(data / DICTIONARY_NAME))
    if len(labels) != (rows := len(Manifest.read(data / f"{SPLIT}.tsv"))):
        raise BudgetError(f"`{labels.path}`: {len(labels)} lines for {rows} rows of the manifest: make the labels again")
    size = sum(path.stat().st_size for path in (labels.path, binary_path(labels.path)))
    each, free = size / len(labels), shutil.disk_usage(gettempdir()).free
    if utterances * each > free:
        raise BudgetError(
            f"labels of {utterances:,} utterances and their binary copy take {utterances * each / 1e9:.0f} GB, and "
            f"`{gettempdir()}` has {free / 1e9:.0f} free: set TMPDIR to a folder that has, "
            f"or take `--utterances {int(free / each) // 1000 * 1000}` or less"
        )


def _repeat(path: Path, head: str, rows: Sequence[str], number: int) -> None:
    """Write `head`, and `rows` again and again until there are so many, or each once."""
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for written in range(0, max(number, len(rows)), len(rows)):
            file.writelines(rows[: max(number, len(rows)) - written])

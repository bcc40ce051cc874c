"""The audio of a study: its manifests, one for each share of the training audio, in the study's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.provenance import provenance_path
from fairseq_budget.data.speakers import speakers
from fairseq_budget.data.subsets import nested
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import copy_whole
from fairseq_budget.studies import STUDIES
from fairseq_budget.studies.place import Place, part
from fairseq_budget.studies.study import PAPER, Cell

SPLITS = ("train", "valid")
VALID = ("valid",)
"""What is validated on unless the user names more sets."""
TESTS = ("test-clean", "test-other")
"""What a published word error rate is measured on."""
WORD_MODEL = "LIBRISPEECH_LM"
"""The variable that names LibriSpeech's 4-gram."""


def source_of(scale: str, data: Path | None) -> Path | None:
    """The folder with the manifests of all training audio; None where speech is to be made.

    Raises:
        BudgetError: manifests that aren't there, with what makes them.
    """
    if data is None and scale != PAPER:
        return None
    folder = data or Path(os.environ.get("FAIRSEQ_BUDGET_MANIFESTS", "manifests")) / "librispeech_960h"
    missing = [f"{split}.tsv" for split in SPLITS if not (folder / f"{split}.tsv").is_file()]
    if missing:
        raise BudgetError(
            f"`{folder}` has no {' and no '.join(missing)}: make them with `fairseq-budget corpus librispeech "
            "/path/to/LibriSpeech`, or `fairseq-budget manifest /path/to/audio --out DATA`, and name the folder with --data"
        )
    return folder


def shares(scale: str) -> list[float]:
    """Of the training audio that any study has at a scale, the largest first: labels are made once for all."""
    found = {cell.data_share for study in STUDIES.values() for cell in study.cells(scale)}
    return sorted(found | {1.0}, reverse=True)


def write_manifests(source: Path, place: Place, scale: str, valid_sets: Sequence[str] = VALID) -> None:
    """Copy the manifests, those of further validation sets, too, and cut the training one into its shares: every smaller one
    within every larger one.

    A manifest that is there already stays.

    Raises:
        BudgetError: another corpus than before, or no manifest of a validation set.
    """
    if missing := missing_sets(source, valid_sets):
        raise BudgetError(f"no validation set {', '.join(f'`{path}`' for path in missing)}: make it, or leave it out")
    place.data.mkdir(parents=True, exist_ok=True)
    for split in dict.fromkeys((*SPLITS, *valid_sets, *(split for split in TESTS if (source / f"{split}.tsv").is_file()))):
        _copy(source / f"{split}.tsv", place.data / f"{split}.tsv")
        if (told := provenance_path(source / f"{split}.tsv")).is_file():
            copy_whole(told, provenance_path(place.data / f"{split}.tsv"))
    smaller = [share for share in shares(scale) if not (place.data / f"{part(share)}.tsv").is_file()]
    if smaller:
        train = Manifest.read(place.data / "train.tsv")
        hours = [train.hours * share for share in smaller]
        subsets = nested(train, hours, 0, speakers(train))
        for share, subset in zip(smaller, subsets, strict=True):
            subset.write(place.data / f"{part(share)}.tsv", None)


def _copy(source: Path, target: Path) -> None:
    text = source.read_text(encoding="utf-8")
    if not target.is_file():
        target.write_text(text, encoding="utf-8")
    elif target.read_text(encoding="utf-8") != text:
        raise BudgetError(f"`{target}` was made of another corpus than `{source}`: choose another folder with --out")


def overrides(cell: Cell, place: Place) -> tuple[str, ...]:
    """What Hydra is told of a cell's data and labels."""
    found = ["data=folder", f"task.data={place.data}", f"dataset.train_subset={part(cell.data_share)}"]
    if cell.teacher is not None:
        found.append(f"task.label_dir={place.labels(cell)}")
    if cell.begins_from is not None:
        found.append(f"model.checkpoint={place.kept(cell.begins_from)}")
    return tuple(found)


def test_sets(scale: str) -> tuple[str, ...]:
    """What word error rates are measured on; in miniature, what validation hears."""
    return TESTS if scale == PAPER else ("valid",)


def word_model(scale: str, place: Place) -> Path:
    """LibriSpeech's 4-gram; in miniature, one of the training transcripts.

    Raises:
        BudgetError: no variable names LibriSpeech's.
    """
    if scale != PAPER:
        return place.word_model
    named = os.environ.get(WORD_MODEL)
    if not named or not Path(named).is_file():
        raise BudgetError(
            f"words are scored with LibriSpeech's 4-gram (4-gram.arpa.gz, openslr.org/11): name the file in ${WORD_MODEL}"
        )
    return Path(named)


def splits(scale: str, valid_sets: Sequence[str] = VALID) -> Sequence[str]:
    """Every manifest that labels are made for; k-means is fitted on the first."""
    return [*dict.fromkeys((*SPLITS, *valid_sets)), *(part(share) for share in shares(scale) if share != 1)]


def missing_sets(source: Path, names: Iterable[str]) -> list[Path]:
    """Manifests that aren't in a folder."""
    return [path for name in names if not (path := source / f"{name}.tsv").is_file()]


def teachers(cells: Iterable[Cell]) -> list[str]:
    """The cells that others are labelled by, in order."""
    return list(dict.fromkeys(cell.teacher for cell in cells if cell.teacher is not None))

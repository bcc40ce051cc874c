"""Time-aligned phones as aligners of LibriSpeech publish them: a TextGrid of Praat's for each utterance, in any folder.

Such as the Montreal Forced Aligner writes: one interval tier called `phones`.  Read by the package praatio.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np

from fairseq_budget.data.alignments import SILENCE, Alignment
from fairseq_budget.errors import BudgetError

ENDING = ".TextGrid"
TIER = "phones"
_STRESS = re.compile(r"(?<=[A-Z])[012]$")
"""On ARPAbet's vowels: AE0, AE1 and AE2 are one phone."""


def find_textgrids(folder: Path) -> dict[str, Path]:
    """The files below a folder, by the name of their utterance; BudgetError if there is none."""
    found = {path.name.removesuffix(ENDING): path for path in sorted(folder.rglob(f"*{ENDING}"))}
    if not found:
        raise BudgetError(f"no alignments `*{ENDING}` below `{folder}`: name their folder, or a CTM file")
    return found


def read_textgrid(path: Path) -> Alignment:
    """The phones of an utterance, stress left out; intervals without a text are silence.

    Raises:
        BudgetError: the file can't be read, or has no tier of phones.
    """
    praat = importlib.import_module("praatio.textgrid")
    try:
        grid = praat.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="silence")
        entries = grid.getTier(TIER).entries if TIER in grid.tierNames else ()
    except Exception as error:  # praatio raises whatever a damaged file leads it to
        raise BudgetError(f"`{path}` can't be read as a TextGrid ({type(error).__name__}): copy it again") from error
    if not entries:
        raise BudgetError(f"`{path}` has no intervals in a tier called `{TIER}`: is it an alignment of phones?")
    names = [_STRESS.sub("", entry.label) or SILENCE for entry in entries]
    return Alignment(names, np.array([entry.start for entry in entries]), float(entries[-1].end))

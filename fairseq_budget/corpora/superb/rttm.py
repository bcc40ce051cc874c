"""RTTM files, which tell who speaks when in recordings; pyannote reads them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from fairseq_budget.errors import BudgetError, MissingPackage
from fairseq_budget.extras import install

if TYPE_CHECKING:
    from pyannote.core import Annotation


def read_rttm(path: Path, remedy: str) -> dict[str, Annotation]:
    """Who speaks when in each recording of an RTTM file.

    Raises:
        BudgetError: no file, or a line that is none of an RTTM file; `remedy` says what to do about it.
        MissingPackage: pyannote isn't installed.
    """
    if not path.is_file():
        raise BudgetError(f"no RTTM file `{path}`: {remedy}")
    text = path.read_text(encoding="utf-8")
    turns = [line.startswith("SPEAKER") for line in text.splitlines()].count(True)
    try:
        recordings = _load(text)
    except ValueError:
        recordings = {}
    # a line that lacks fields is left out in silence
    if not turns or _turns(recordings) != turns:
        raise BudgetError(f"{_fault(path, text)}: {remedy}")
    return recordings


def _load(text: str) -> dict[str, Annotation]:
    try:
        from pyannote.database.util import load_rttm
    except ModuleNotFoundError as error:
        raise MissingPackage(f"RTTM files are read by the package pyannote.metrics: {install('pyannote')}") from error
    return load_rttm(StringIO(text))


def _turns(recordings: dict[str, Annotation]) -> int:
    """The number of stretches that have a beginning, an end and a speaker."""
    tracks = (track for turns in recordings.values() for track in turns.itertracks(yield_label=True))
    return sum(isinstance(speaker, str) for _, _, speaker in tracks)


def _fault(path: Path, text: str) -> str:
    """What is wrong with an RTTM file, with the line."""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            read = _turns(_load(line)) == line.startswith("SPEAKER")
        except ValueError:
            read = False
        if not read:
            return f"`{path}`, line {number}: `{line}` is no line of an RTTM file"
    return f"`{path}` has no line `SPEAKER RECORDING 1 BEGIN SECONDS <NA> <NA> NAME <NA>`"

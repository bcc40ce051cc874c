"""The synthetic corpus as a whole: speech to pre-train on and keywords to test with, made once per folder.

OUT/librispeech      see librispeech_like.py
OUT/speech_commands  see keywords.py
OUT/corpus.json      the settings and what came of them; written last, so it marks the corpus as finished
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.synthetic.jobs import Made, run_jobs
from fairseq_budget.synthetic.keywords import keyword_jobs
from fairseq_budget.synthetic.librispeech_like import librispeech_jobs

_PARTS = ("librispeech", "speech_commands")


@dataclass(frozen=True)
class SyntheticSettings:
    """All that the content of the corpus depends on.

    `hours`, `dev_hours`: hours of speech.  `speakers`: training speakers of the LibriSpeech part.
    `keyword_speakers`: training and validation speakers of the keywords.  `takes`: recordings per speaker and word.
    """

    hours: float = 0.5
    dev_hours: float = 0.05
    speakers: int = 24
    keyword_speakers: int = 40
    takes: int = 1
    seed: int = 0


def validate(settings: SyntheticSettings) -> None:
    """Raise ConfigError with every setting that cannot be met."""
    least = {"speakers": 1, "keyword_speakers": 2, "takes": 1, "seed": 0}
    problems = [
        f"`{name}` must be at least {minimum}, but is {getattr(settings, name)}"
        for name, minimum in least.items()
        if getattr(settings, name) < minimum
    ]
    problems += [
        f"`{name}` must be above 0, but is {getattr(settings, name):g}"
        for name in ("hours", "dev_hours")
        if not getattr(settings, name) > 0
    ]
    if problems:
        raise ConfigError("; ".join(problems))


def make_corpus(out: Path, settings: SyntheticSettings, workers: int) -> tuple[dict[str, Made], bool]:
    """Make the corpus in `out`, unless it is there already.

    Returns what each part holds, and whether it was made by this call.  An interrupted call leaves only a folder
    `.unfinished`, which the next one clears.

    Raises:
        BudgetError: `out` holds a corpus of other settings or something that was not made here.
    """
    validate(settings)
    if workers < 1:
        raise ConfigError(f"`workers` must be at least 1, but is {workers}")
    marker = out / "corpus.json"
    if marker.exists():
        return _finished(marker, settings), False
    _refuse_foreign(out)
    unfinished = out / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    made = _make(unfinished, settings, workers)
    for part in _PARTS:
        (unfinished / part).rename(out / part)
    unfinished.rmdir()
    record = {"settings": asdict(settings), "made": {part: asdict(total) for part, total in made.items()}}
    marker.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return made, True


def _make(folder: Path, settings: SyntheticSettings, workers: int) -> dict[str, Made]:
    speech = librispeech_jobs(folder / "librispeech", settings.hours, settings.dev_hours, settings.speakers, settings.seed)
    keywords = keyword_jobs(folder / "speech_commands", settings.keyword_speakers, settings.takes, settings.seed)
    try:
        folder.mkdir(parents=True)
        return run_jobs(speech + keywords, workers)
    except OSError as error:
        raise BudgetError(f"`{folder}` cannot be written ({error.strerror}): choose another folder") from error


def _finished(marker: Path, settings: SyntheticSettings) -> dict[str, Made]:
    """What a finished corpus holds, if it was made with these settings."""
    try:
        record = json.loads(marker.read_text(encoding="utf-8"))
        there, made = record["settings"], {part: Made(**total) for part, total in record["made"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BudgetError(f"`{marker}` was not written by this command: choose another folder") from error
    if there != asdict(settings):
        asked = asdict(settings).items()
        other = ", ".join(f"`{name}` {there.get(name)}" for name, value in asked if there.get(name) != value)
        raise BudgetError(f"`{marker.parent}` holds a corpus made with other settings ({other}): choose another folder")
    return made


def _refuse_foreign(out: Path) -> None:
    for part in _PARTS:
        if (out / part).exists():
            raise BudgetError(
                f"`{out / part}` exists, but no `corpus.json` says that this command made it: choose another folder"
            )

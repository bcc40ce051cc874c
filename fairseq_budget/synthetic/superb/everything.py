"""The miniature corpora of all of SUPERB's tasks, made and prepared: what the recipes find with SUPERB=OUT.

Each is in the layout of the original, spoken by eSpeak NG, and large enough that every task trains, evaluates and is scored;
the scores mean nothing.  The same seed gives the same bytes, but for prepared lists that hold absolute paths.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fairseq_budget.corpora.superb.places import PLACES
from fairseq_budget.corpora.superb.prepare import prepare
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.synthetic.jobs import Job, Made, run_jobs
from fairseq_budget.synthetic.superb import (
    common_voice,
    fluent_commands,
    iemocap,
    libri2mix,
    librispeech,
    quesst14,
    snips,
    speech_commands,
    voxceleb1,
)

CORPORA: dict[str, Callable[[Path, int], Made]] = {
    PLACES["LIBRISPEECH"].folder: librispeech.make,
    PLACES["SPEECH_COMMANDS"].folder: speech_commands.make,
    PLACES["FLUENT_COMMANDS"].folder: fluent_commands.make,
    PLACES["SNIPS"].folder: snips.make,
    PLACES["VOXCELEB1"].folder: voxceleb1.make,
    PLACES["IEMOCAP"].folder: iemocap.make,
    PLACES["QUESST14"].folder: quesst14.make,
    "speech_commands_v0.02": speech_commands.make_v2,
    "libri2mix": libri2mix.make,
    "common_voice_zh": common_voice.make,
}
"""By folder."""

OF_TASK = {
    "pr": "librispeech",
    "asr": "librispeech",
    "asr_zh": "common_voice_zh",
    "ks": "speech_commands",
    "ks35": "speech_commands_v0.02",
    "ic": "fluent_commands",
    "sf": "snips",
    "sid": "voxceleb1",
    "asv": "voxceleb1",
    "sd": "libri2mix",
    "er": "iemocap",
    "qbe": "quesst14",
    "keywords": "speech_commands_v0.02",
    "speakers": "voxceleb1",
}
"""The folder of each task's corpus."""

INSIDE = {"speakers": "dev/wav"}
"""Where in its corpus what a task is prepared from lies, if not everywhere."""

_MARKER = "mini-superb.json"


def make(out: Path, tasks: tuple[str, ...] = (), seed: int = 0, workers: int = 1) -> dict[str, Made]:
    """Make the corpora of `tasks` (none: of all) in `out`, unless they are there, and prepare them.

    Returns what each new corpus holds.

    Raises:
        ConfigError: an unknown task or a wrong setting.
        BudgetError: `out` holds corpora of another seed or a folder that wasn't made here.
    """
    wanted = tasks or tuple(OF_TASK)
    unknown = [task for task in wanted if task not in OF_TASK]
    if unknown or seed < 0 or workers < 1:
        raise ConfigError(
            f"unknown task `{unknown[0]}`: choose from {', '.join(OF_TASK)}"
            if unknown
            else "`seed` and `workers` must be positive"
        )
    there = _made_before(out, seed)
    missing = [name for name in dict.fromkeys(OF_TASK[task] for task in wanted) if name not in there]
    foreign = next((out / name for name in missing if (out / name).exists()), None)
    if foreign is not None:
        raise BudgetError(f"`{foreign}` exists, but wasn't made by this command: choose another folder")
    made = _make(out, missing, seed, workers)
    (out / _MARKER).write_text(json.dumps({"seed": seed, "corpora": sorted([*there, *missing])}) + "\n", encoding="utf-8")
    for task in wanted:
        prepare(task, out / OF_TASK[task] / INSIDE.get(task, ""), out, own_lists=True)
    return made


def _make(out: Path, names: list[str], seed: int, workers: int) -> dict[str, Made]:
    """Each corpus is made under another name, so that an interrupted call leaves none that looks finished."""
    unfinished = out / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    made = run_jobs([Job(name, partial(CORPORA[name], unfinished / name, seed)) for name in names], workers)
    for name in names:
        (unfinished / name).rename(out / name)
    unfinished.rmdir()
    return made


def _made_before(out: Path, seed: int) -> list[str]:
    marker = out / _MARKER
    if not marker.exists():
        return []
    record = json.loads(marker.read_text(encoding="utf-8"))
    if record["seed"] != seed:
        raise BudgetError(f"`{out}` holds corpora made with seed {record['seed']}: choose another folder")
    return list(record["corpora"])

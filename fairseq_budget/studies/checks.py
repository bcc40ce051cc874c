"""What would stop a study, found before hours are spent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.errors import BudgetError
from fairseq_budget.planning.memory import available_memory
from fairseq_budget.planning.memory_model import FIXED_BYTES
from fairseq_budget.studies.data import missing_sets, source_of, test_sets, word_model
from fairseq_budget.studies.forecast import Forecast, foresee, training_lengths
from fairseq_budget.studies.launch import KEYWORDS, SLURM, How, corpora
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.status import DONE, states
from fairseq_budget.studies.study import MINI, OWN_TASKS, RECOGNITION, Cell


def find_obstacles(cells: Sequence[Cell], place: Place, how: How) -> list[str]:
    """A sentence for each thing that is missing or too small: corpora, a cell's configuration, disk, memory, launcher."""
    found = []
    lengths = None
    if not any(cell.trained for cell in cells):
        return []
    try:
        source = source_of(how.scale, how.data)
        lengths = None if source is None else training_lengths(source)
    except BudgetError as error:
        found.append(str(error))
    else:
        if source is not None:
            found += [f"no manifest `{path}` to validate on" for path in missing_sets(source, how.valid_sets)]
    if how.launcher == SLURM and shutil.which("sbatch") is None:
        found.append("`--launcher slurm` needs `sbatch`, which isn't on this machine's path: start it on a login node")
    if any(RECOGNITION in cell.tasks for cell in cells):
        try:
            word_model(how.scale, place)
        except BudgetError as error:
            found.append(str(error))
        found += [f"no manifest `{path}` to recognise" for path in _missing_sets(how)]
    found += tasks_that_cannot_run(cells, place, how)
    todo = [state.cell for state in states(cells, place) if state.training != DONE and state.cell.trained]
    try:
        forecasts = foresee(todo, lengths, ["data=folder", "task.data=.", f"device={how.device}", *how.extra], None)
    except BudgetError as error:
        return [*found, str(error)]
    return [*found, *_too_little(forecasts, place, how)]


def _missing_sets(how: How) -> list[Path]:
    try:
        source = source_of(how.scale, how.data)
    except BudgetError:  # told before
        return []
    return [] if source is None else missing_sets(source, test_sets(how.scale))


def tasks_that_cannot_run(cells: Sequence[Cell], place: Place, how: How) -> Iterator[str]:
    """SUPERB's, for want of a corpus or a package; those are left out whose corpora the study makes."""
    tasks = {task for cell in cells for task in cell.tasks if task not in OWN_TASKS}
    tasks -= {KEYWORDS} if how.scale == MINI else set()
    if not tasks:
        return
    command = ["superb", "--upstream", "fbank", "--tasks", ",".join(sorted(tasks)), "--dry-run", "--json"]
    answer = subprocess.run(
        [sys.executable, "-m", "fairseq_budget", *command],
        env=os.environ | corpora(place),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        yield from (f"{row['task']}: {row['message']}" for row in json.loads(answer.stdout))
    except ValueError:
        yield answer.stderr.strip().rpartition("\n")[2]


def _too_little(forecasts: Sequence[Forecast], place: Place, how: How) -> Iterator[str]:
    if not forecasts:
        return
    needed, free = sum(forecast.disk_bytes for forecast in forecasts), shutil.disk_usage(_existing(place.folder)).free
    if needed > free:
        yield (
            f"checkpoints take up to {needed / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free at {place.folder}: "
            "choose another folder with --out, or keep fewer with `-- task.checkpoints=0`"
        )
    largest = max(forecasts, key=lambda forecast: forecast.run.params)
    memory = _memory(how)
    needed = FIXED_BYTES["fp32"] * largest.run.params
    if memory is not None and needed > memory:
        yield (
            f"cell {largest.cell.name} needs {needed / GIB:.1f} GiB for its parameters and their optimizer, "
            f"and {memory / GIB:.1f} GiB are free"
        )


def _memory(how: How) -> int | None:
    """Of one run's share of this machine; None where runs are elsewhere, or it isn't known."""
    import torch

    if how.launcher == SLURM:
        return None
    kind = how.device.partition("_")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        return None
    free = available_memory(torch.device(kind))
    return free if free is None or kind == "cuda" else free // (how.jobs if how.launcher == "joblib" else 1)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists() and folder != Path(os.sep):
        folder = folder.parent
    return folder

"""Runs what a study lacks, by the commands that a user would give: none begins what is done, all go on where they were.

Hydra's multirun trains the cells, by whichever launcher is chosen; ``fairseq-budget labels`` and ``superb`` do the rest.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from fairseq_budget.data.transcripts.folder import RECORD
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.objectives import get_objective
from fairseq_budget.recipes import recipes_dir
from fairseq_budget.studies.data import VALID, overrides, source_of, splits, teachers, test_sets, word_model, write_manifests
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.status import DONE, RUNNING, State, states
from fairseq_budget.studies.study import DOWNSTREAM, MINI, OWN_TASKS, RECOGNITION, RESOURCES, Cell, Kept

BASIC, JOBLIB, SLURM = "basic", "joblib", "slurm"
LAUNCHERS = (BASIC, JOBLIB, SLURM)
"""Hydra's: one run after another, several side by side on this machine, a Slurm job for each."""

SPEECH = ("--hours", "0.5", "--dev-hours", "0.2", "--keyword-speakers", "24")
"""The speech that a mini study makes where it is given none."""
KEYWORDS = "ks"
"""The task of SUPERB that a mini study makes a corpus for."""
KEYWORDS_ALONE = ("--hours", "0.05", "--dev-hours", "0.02", "--keyword-speakers", "24")
"""What it makes beside the user's own audio: hardly any other speech."""
MINI_SCORING = ("--lr", "1e-1,1e-2,1e-3,1e-4", "--steps", "200", "--workers", "0")
"""Enough for a head to learn the keywords of the synthetic corpus."""

CORPUS_OF_KEYWORDS = "SPEECH_COMMANDS"
"""The variable that names it."""
ON_A_CPU = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "68719476736"}
"""glibc gives large blocks back at once and takes them again in the next step; keeping them saves a fifth of the time."""


@dataclass(frozen=True)
class How:
    """How a study is run: what its declaration leaves open."""

    scale: str
    device: str
    """A choice of the recipes' group `device`."""
    launcher: str
    jobs: int
    """Runs side by side."""
    data: Path | None = None
    extra: Sequence[str] = field(default_factory=tuple)
    """More of Hydra's overrides, for all cells."""
    valid_sets: Sequence[str] = VALID
    """Names of the sets to validate on; of the first, the loss that the best checkpoint goes by."""

    @property
    def everywhere(self) -> list[str]:
        """Overrides of all cells."""
        named = [] if tuple(self.valid_sets) == VALID else [f"dataset.valid_subset='{','.join(self.valid_sets)}'"]
        return [*named, *self.extra]

    def hydra(self) -> list[str]:
        """What every run is told."""
        chosen = {
            BASIC: [],
            JOBLIB: ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={self.jobs}"],
            SLURM: ["cluster=slurm"],
        }
        return [f"device={self.device}", *chosen[self.launcher], *self.everywhere]

    def environment(self) -> dict[str, str]:
        """Of training: models as small as the mini ones use one core well, and two badly."""
        if not self.device.startswith("cpu"):
            return {}
        return {**ON_A_CPU, **({"OMP_NUM_THREADS": "1"} if self.launcher == JOBLIB else {})}


def run(cells: Sequence[Cell], place: Place, how: How) -> None:
    """Make the data, train and evaluate every cell that isn't done.

    Raises:
        BudgetError: a step failed; what was done by then stays done.
    """
    prepare_data(cells, place, how)
    names = teachers(cells)
    train([cell for cell in cells if cell.name in names], place, how)
    for name in names:
        _labels(place, how, "--label-dir", str(place.labels_by(name)), "--checkpoint", str(place.kept(Kept(name))))
    train([cell for cell in cells if cell.begins_from is None], place, how)
    train(cells, place, how)
    evaluate(cells, place, how)


def prepare_data(cells: Sequence[Cell], place: Place, how: How) -> None:
    """Manifests, and labels of MFCC where a cell needs them."""
    place.folder.mkdir(parents=True, exist_ok=True)
    if how.scale == MINI and any(DOWNSTREAM in cell.tasks for cell in cells):
        _call(["corpus", "mini-superb", str(place.superb), *(f"--task={cell.options[0]}" for cell in cells)], {})
    hears_keywords = how.scale == MINI and any(KEYWORDS in cell.tasks for cell in cells)
    cells = [cell for cell in cells if cell.trained]
    if not cells:
        return
    source = source_of(how.scale, how.data)
    if source is None:
        source = _speech(place)
    elif hears_keywords and CORPUS_OF_KEYWORDS not in os.environ:
        _call(["corpus", "synthetic", str(place.corpus), *KEYWORDS_ALONE], {})
    write_manifests(source, place, how.scale, how.valid_sets)
    if any(not (cell.teacher or cell.fine_tuned) and get_objective(cell.recipe).needs_labels for cell in cells):
        _labels(place, how)
    if any(cell.fine_tuned for cell in cells):
        _transcripts(place, how)


def train(cells: Iterable[Cell], place: Place, how: How) -> None:
    """The cells whose budget isn't spent and which no other process trains: a multirun for each recipe."""
    todo = [s.cell for s in states(cells, place) if s.training not in (DONE, RUNNING) and s.cell.trained]
    started = []
    for recipe in dict.fromkeys(cell.recipe for cell in todo):
        own = [cell for cell in todo if cell.recipe == recipe]
        name = f"{recipe}, {len(own)} to train"
        folders = [str(place.run(cell)) for cell in own]
        started.append((recipe, _start(multirun(recipe, own, place, how), how.environment(), name, folders)))
        if how.launcher != SLURM:  # whose processes here only wait for their jobs
            _wait(*started.pop())
    for recipe, processes in started:
        _wait(recipe, processes)


def multirun(recipe: str, cells: Sequence[Cell], place: Place, how: How) -> list[str]:
    """What fairseq-hydra-train is told to train cells of one recipe; writes the list that it reads."""
    place.pretrain.mkdir(parents=True, exist_ok=True)
    runs = place.pretrain / f"runs-{recipe}.txt"
    with atomic(runs) as partial:
        partial.write_text("".join(f"{shlex.join(line(cell, place))}\n" for cell in cells), encoding="utf-8")
    command = ["-m", "--config-dir", str(recipes_dir()), "--config-name", recipe]
    swept = ["hydra/sweeper=run_list", f"hydra.sweeper.runs={runs}", f"hydra.sweep.dir={place.pretrain}"]
    return [*command, *swept, *how.hydra()]


def line(cell: Cell, place: Place) -> list[str]:
    """A cell's line in the list of runs."""
    return [*cell.overrides, *overrides(cell, place), f"hydra.sweep.subdir={cell.name}"]


def alone(cell: Cell, place: Place, how: How) -> str:
    """The command that trains, or goes on with, this cell alone."""
    command = ["fairseq-hydra-train", "--config-dir", str(recipes_dir()), "--config-name", cell.recipe, *cell.overrides]
    own = [*overrides(cell, place), f"device={how.device}", *how.everywhere, f"hydra.run.dir={place.run(cell)}"]
    return shlex.join([*command, *own])


def evaluate(cells: Iterable[Cell], place: Place, how: How) -> None:
    """The tasks that have no score yet, of the cells that are trained."""
    for state in states(cells, place):
        if state.training == DONE and state.unscored:
            for command in scoring(state.cell, state.unscored, place, how):
                _call(command, corpora(place))


def scoring(cell: Cell, tasks: Sequence[str], place: Place, how: How) -> Iterator[list[str]]:
    """The commands that evaluate a cell."""
    checkpoint, device = str(place.checkpoint(cell)), ["--device", how.device.partition("_")[0]]
    for task in (task for task in tasks if task in OWN_TASKS):
        out = ["--out", str(place.score(cell, task).parent), *device]
        if task == RECOGNITION:
            words = ["--lm", str(word_model(how.scale, place))] if find_spec("flashlight") else []  # no wheel for 3.13
            sets = ["--splits", ",".join(test_sets(how.scale))]
            yield ["asr", "score", checkpoint, str(place.data), *sets, *words, *out]
        elif task == RESOURCES:
            picture = str(place.score(cell, task).with_name("grid.png"))
            yield ["bench", "grid", *cell.options, *device, "--record", out[1], "--out", picture]
        elif task == DOWNSTREAM:
            yield ["bench", "downstream", *cell.options, *device, "--record", out[1]]
        else:
            labels = ["--label-dir", str(place.labels(cell))] if get_objective(cell.recipe).needs_labels else []
            yield ["analyse", "gradient-deviation", checkpoint, "--data", str(place.data), *labels, *cell.options, *out]
    if superb := [task for task in tasks if task not in OWN_TASKS]:
        command = ["superb", checkpoint, "--tasks", ",".join(superb), "--out", str(place.downstream(cell))]
        shortened = MINI_SCORING if how.scale == MINI else cell.options
        unfrozen = [] if cell.upstream_rate is None else ["--upstream-lr", f"{cell.upstream_rate:g}"]
        yield [*command, "--seed", str(cell.seed), *device, *shortened, *unfrozen]


def corpora(place: Place) -> dict[str, str]:
    """Where the corpora that were made lie, unless the user has named others."""
    made = {CORPUS_OF_KEYWORDS: place.corpus / "speech_commands", "SUPERB": place.superb}
    return {name: str(folder) for name, folder in made.items() if name not in os.environ and folder.is_dir()}


def _speech(place: Place) -> Path:
    """The folder with manifests of speech that this project makes."""
    corpus, data = place.corpus, place.corpus / "manifests"
    _call(["corpus", "synthetic", str(corpus), *SPEECH], {})
    if not (data / "valid.tsv").is_file():
        train, valid = (str(corpus / "librispeech" / name) for name in ("train-clean", "dev-clean"))
        _call(["manifest", train, "--valid-root", valid, "--out", str(data)], {})
    return data


def _labels(place: Place, how: How, *options: str) -> None:
    device = how.device.partition("_")[0]
    _call(
        ["labels", str(place.data), "--splits", ",".join(splits(how.scale, how.valid_sets)), "--device", device, *options],
        {},
    )


def _transcripts(place: Place, how: How) -> None:
    """Words and letters of all that is trained on, and in miniature a word model; what is there stays."""
    if not (place.data / RECORD).is_file():
        _call(["asr", "transcripts", str(place.data), "--splits", ",".join(splits(how.scale, how.valid_sets))], {})
    model = word_model(how.scale, place)
    if not model.is_file():
        _call(["asr", "lm", str(place.data), "--out", str(model)], {})


def _call(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """A command of `fairseq-budget`, which says itself what is wrong."""
    command = [sys.executable, "-m", "fairseq_budget", *arguments]
    if subprocess.run(command, env=os.environ | environment, check=False).returncode:
        raise BudgetError(f"`fairseq-budget {shlex.join(arguments)}` failed; mend that, and give the study's command again")


Processes = tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]


def _start(arguments: Sequence[str], environment: Mapping[str, str], name: str, folders: Sequence[str]) -> Processes:
    """A multirun, and the command that watches its folders: what isn't worth a line stands in the runs' logs."""
    environment = os.environ | environment
    # the command itself may not be on the path
    training = [sys.executable, "-m", "fairseq_cli.hydra_train", *arguments]
    process = subprocess.Popen(training, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    watching = [sys.executable, "-m", "fairseq_budget", "watch", name, *folders]
    watcher = subprocess.Popen(watching, stdin=process.stdout, env=environment)
    if process.stdout is not None:
        process.stdout.close()  # the watcher's now: without it, what nobody reads would stop the runs when the pipe is full
    return process, watcher


def _wait(recipe: str, processes: Processes) -> None:
    """Until a multirun has ended.  A request to stop is passed on to it: its runs save a checkpoint, and the study ends.

    Raises:
        BudgetError: a run failed, or this process was asked to stop.
    """
    multirun, watching = processes
    asked: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        asked.append(number)
        if number == signal.SIGTERM:  # Ctrl-C reaches every process of the terminal
            multirun.terminate()

    former = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        watching.wait()
        failed = multirun.wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if asked:
        raise BudgetError("stopped as asked; the same command goes on where this one was")
    if failed:
        raise BudgetError(
            f"a run of {recipe} failed; `fairseq-budget study status` says which, and its train.log why. The others are "
            "kept: mend it, and give the study's command again"
        )


def commands(state: State, place: Place, how: How) -> Iterator[str]:
    """What goes on with a cell: its training, then its tasks."""
    if state.training not in (DONE, RUNNING) and state.cell.trained:
        yield alone(state.cell, place, how)
    for command in scoring(state.cell, state.unscored, place, how):
        yield shlex.join(["fairseq-budget", *command])

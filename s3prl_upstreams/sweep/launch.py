"""Tasks one after the other, each in a process of its own, with a bar and the time that is left.

A process of its own: an error that leaves a device unusable, or a process killed for its memory, ends one task and not the
others.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.locks import alone
from s3prl_upstreams.host import compat, hub
from s3prl_upstreams.sweep import possible, rows
from s3prl_upstreams.sweep.settings import SweepSettings, from_json, to_json
from s3prl_upstreams.sweep.worker import OUTPUT
from s3prl_upstreams.upstreams.batches import padding_effect
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS, WITHOUT_CHECKPOINT

SETTINGS = "settings.json"
FIXED = (
    "upstream",
    "checkpoint",
    "digest",
    "seed",
    "steps",
    "halving",
    "override",
    "hidden_states",
    "lstm_precision",
    "one_by_one",
    "upstream_rate",
)
"""What a folder isn't continued with other values of."""
_PREPROCESSOR = "preprocessor_config.json"
"""Of a folder of Hugging Face's: how waves are prepared."""


def sweep(tasks: Sequence[SweepSettings], console: Console, free_memory: int | None = None) -> list[rows.Row]:
    """Do every task that isn't done; returns their rows, those of failed tasks with an `error`.

    What keeps tasks from running is told in one table before the first starts; the others run.  `free_memory` is what the
    device has for them, in bytes (None: not known).

    Raises:
        BudgetError or ConfigError: before anything is trained, where no task can be.
    """
    compat.apply()
    hub.install()
    for settings in tasks:
        refuse_other_settings(settings)
    todo = [settings for settings in tasks if not rows.is_final(settings, rows.read(settings))]
    todo, refused = _possible(todo, console, free_memory)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for number, settings in enumerate(todo, start=1):
            name = f"{settings.task} ({number} of {len(todo)})"
            bar = progress.add_task(name, total=None, left="", tenth=0)
            error = _run(settings, progress, bar, name)
            progress.remove_task(bar)
            console.print(f"{name}: {error or 'done'}", highlight=False, markup=False, soft_wrap=True)
    found = (refused.get(settings.task) or rows.read(settings) for settings in tasks)
    return [row for row in found if row is not None]


def _possible(
    todo: Sequence[SweepSettings], console: Console, free_memory: int | None = None
) -> tuple[list[SweepSettings], dict[str, rows.Row]]:
    """What can run, with what is missing of each corpus; and the rows of what can't, by task, which are told at once.

    Raises:
        BudgetError: none can run; or another run has begun in a task's folder, with a corpus as it was.
    """
    if not todo:
        return [], {}
    checked, found = _sorted_out(todo, free_memory)
    if len(found) == len(todo) == 1:
        raise found[0].error
    if found:
        possible.show(found, console)
    if not checked:
        raise BudgetError(f"none of the {len(todo)} tasks can run: see the table above")
    for settings in checked:
        refuse_other_settings(settings, ("incomplete", "corpus"))
    why = {settings.task: [one.message for one in found if one.task == settings.task] for settings in todo}
    return checked, {one.task: rows.failed(one, "; ".join(why[one.task])) for one in todo if why[one.task]}


def obstacles(tasks: Sequence[SweepSettings], free_memory: int | None = None) -> list[possible.Obstacle]:
    """What keeps tasks from running here; nothing is begun.

    Raises:
        BudgetError: the upstream can't be made.
    """
    compat.apply()
    hub.install()
    return _sorted_out(tasks, free_memory)[1]


def _sorted_out(
    todo: Sequence[SweepSettings], free_memory: int | None
) -> tuple[list[SweepSettings], list[possible.Obstacle]]:
    effect, memory = _try_upstream(todo[0].upstream, todo[0].checkpoint, todo[0].one_by_one)
    return possible.sort_out([replace(settings, padding=effect) for settings in todo], memory, free_memory)


def _try_upstream(name: str, checkpoint: str | None, one_by_one: bool) -> tuple[float | None, float]:
    """By how much padded batches change an upstream's features, and the bytes of those of a second.

    The first is None where they don't, or where it runs on one utterance at a time.

    Raises:
        BudgetError: it can't be made, having no checkpoint, one too many, an unreadable one, or one of another size.
    """
    upstream = getattr(importlib.import_module("s3prl").hub, name)
    if name in UPSTREAMS and name not in WITHOUT_CHECKPOINT and checkpoint is None:
        raise BudgetError(f"the upstream `{name}` needs a checkpoint: give its path, or choose the upstream `fbank`")
    if checkpoint is not None and upstream.__module__.startswith("s3prl.upstream.baseline"):
        raise BudgetError(
            f"the upstream `{name}` has no parameters: leave `{checkpoint}` out, or choose the upstream `budget_local`"
        )
    try:
        made = upstream(ckpt=checkpoint, model_config=None, refresh=False)
        effect = None if one_by_one or name in UPSTREAMS else padding_effect(made)
        return effect, possible.state_bytes(made)
    except BudgetError:
        raise
    except Exception as error:  # any of two hundred upstreams of others can fail, in its own way
        raise BudgetError(_why_not(name, checkpoint, error)) from error


def _why_not(name: str, checkpoint: str | None, error: Exception) -> str:
    """Why an upstream of somebody else's can't be made, in one line."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}".removesuffix(": ")
    if checkpoint is None:
        remedy = "is the network there, if it has to be fetched? Does it need a checkpoint?"
    elif not Path(checkpoint).exists():
        remedy = "is the network there, to fetch it?"
    elif Path(checkpoint).is_dir() and not Path(checkpoint, _PREPROCESSOR).exists():
        remedy = f"it has no {_PREPROCESSOR}, and s3prl would fetch another model's: add it"
    else:
        remedy = "is it of this kind? `budget_local` reads fairseq's own HuBERT and wav2vec 2.0, `hf_hubert_custom` a folder"
    return f"the upstream `{name}` can't be made{f' from `{checkpoint}`' if checkpoint else ''} ({reason}): {remedy}"


def refuse_other_settings(settings: SweepSettings, keys: Sequence[str] = FIXED) -> None:
    """BudgetError if the task's folder was begun with other settings, which would be mixed with these."""
    path = settings.folder / SETTINGS
    if not path.exists():
        return
    before = from_json(path.read_text(encoding="utf-8"))
    for key in keys:
        then, now = getattr(before, key), getattr(settings, key)
        if then != now:
            raise BudgetError(
                f"`{settings.folder}` was begun with `{key}` {then}, and now it is {now}: choose another `--out`"
            )


def lock_of(settings: SweepSettings) -> Path:
    """The lock of a task's trials; two processes may train different ones."""
    return settings.folder / f".lock-{'-'.join(f'{rate:g}' for rate in settings.rates)}"


def _run(settings: SweepSettings, progress: Progress, bar: TaskID, name: str) -> str | None:
    """Run a worker to its end; returns why it failed, if it did.

    Raises:
        BudgetError: another process works on these trials, or did so meanwhile with other settings.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    with alone(lock_of(settings)):
        refuse_other_settings(settings)
        return _work(settings, progress, bar, name)


def _work(settings: SweepSettings, progress: Progress, bar: TaskID, name: str) -> str | None:
    with atomic(settings.folder / SETTINGS) as partial:
        partial.write_text(to_json(settings) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "s3prl_upstreams.sweep.worker", to_json(settings)]
    error = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(settings.device)) as process:
        try:
            for line in process.stdout or ():
                told = json.loads(line)
                error = told.get("error", error)
                _told(told, progress, bar, name)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0 and error is None:
        error = f"the process ended with status {process.returncode} (-9: killed, perhaps for its memory)"
        rows.write_error(settings, error)
    return f"{error}; see `{settings.folder / OUTPUT}`" if error else None


def _told(told: dict[str, Any], progress: Progress, bar: TaskID, name: str) -> None:
    if "note" in told:
        progress.console.print(f"{name}: {told['note']}", highlight=False, markup=False, soft_wrap=True)
    if "stage" in told:
        _show(told, progress, bar, name)


def _show(told: dict[str, Any], progress: Progress, bar: TaskID, name: str) -> None:
    """The bar of a terminal; a line for every tenth of the training in the log of a cluster's job."""
    left, stage, done, of = _left(told["seconds_left"]), told["stage"], told["done"], told["of"]
    before = progress.tasks[-1].fields["tenth"]
    variant = stage.removesuffix("train")
    tenth = 10 * done // of if variant != stage else before
    progress.update(bar, completed=done, total=of, description=f"{name} {stage}", left=left, tenth=tenth)
    if progress.disable and tenth > before:
        progress.console.print(f"{name}: {variant}step {done} of {of}, {left or 'done'}", highlight=False, soft_wrap=True)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds > 2 * size:
            return f"{seconds / size:.0f} {unit} left"
    return f"{seconds:.0f} s left"


def environment(device: str) -> dict[str, str]:
    """A worker's environment."""
    own = dict(os.environ)
    if device == "cpu":
        own["CUDA_VISIBLE_DEVICES"] = ""  # s3prl's evaluation would enter a CUDA device called "cpu"
    return own

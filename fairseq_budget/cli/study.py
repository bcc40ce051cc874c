"""``fairseq-budget study``: the papers' experiments by name, as published and in miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairseq_budget import locks
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.cli.study_plan import foresee_cells, print_measured, print_plan
from fairseq_budget.errors import BudgetError, unknown_name
from fairseq_budget.studies import STUDIES, get_study
from fairseq_budget.studies.study import MINI, PAPER, SCALES, Cell, check_scale

if TYPE_CHECKING:
    from fairseq_budget.studies.launch import How

app = typer.Typer(no_args_is_help=True, help="The papers' experiments by name: plan, run, status, report.")

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES)}.")]
Scale = Annotated[str, typer.Option(help=f"{PAPER}: as published; {MINI}: less than an hour on two CPU cores.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the study; several share their cells in it (default: study-SCALE).")
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder with train.tsv and valid.tsv (default: mini: speech made here; paper: LibriSpeech's manifests)."
    ),
]
ValidSets = Annotated[
    str, typer.Option(help="Manifests to validate on, by name, comma-separated (with --data: valid,dev-other).")
]
Seeds = Annotated[int | None, typer.Option(help="Runs of each cell, by seeds (default: mini 2, paper 1).")]
Device = Annotated[str | None, typer.Option(help="Recipe of the group `device` (default: cuda where torch sees a GPU).")]
Launcher = Annotated[
    str | None, typer.Option(help="basic, joblib or slurm (default: joblib for mini on a CPU, otherwise basic).")
]
Jobs = Annotated[int | None, typer.Option(help="Runs side by side with joblib (default: as many as there are cores).")]
Extra = Annotated[list[str] | None, typer.Argument(help="More of Hydra's overrides for every cell, after --.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """The studies there are, and what each has at either scale.

    Example: fairseq-budget study list
    """
    rows: list[dict[str, Any]] = [
        {
            "name": study.name,
            "title": study.title,
            "source": study.source,
            "cells": {scale: len(study.cells(scale)) for scale in SCALES},
            "published": len(study.published()),
            "differences": dict(study.differences),
        }
        for study in STUDIES.values()
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = plain_table("study", "what", "source", "cells (paper)", "cells (mini)", "published", left=3)
    for row in rows:
        counts = [*(row["cells"][scale] for scale in SCALES), row["published"]]
        table.add_row(row["name"], row["title"], row["source"], *map(str, counts))
    output().print(table)


@app.command("plan")
def plan(
    name: Name,
    scale: Scale = PAPER,
    data: Data = None,
    seeds: Seeds = None,
    flops_per_second: Annotated[
        float | None, typer.Option(help="What a device reaches in training (`plan --probe` measures it): adds its hours.")
    ] = None,
    price_per_device_hour: Annotated[
        float | None, typer.Option(help="Adds what it costs; needs --flops-per-second.")
    ] = None,
    extra: Extra = None,
    as_json: AsJson = False,
) -> None:
    """What every cell costs: updates, FLOPs, hours heard, disk; with a speed, device hours; with a price, money.  Of a study
    that only measures steps, what is measured.

    Example: fairseq-budget study plan model_size --scale paper --flops-per-second 4e13 --price-per-device-hour 2
    """
    every = get_study(name).runs(scale, _seeds(scale, seeds))
    cells = [cell for cell in every if cell.trained]
    if cells:
        print_plan(foresee_cells(cells, data, extra or (), flops_per_second), price_per_device_hour, as_json)
    else:
        print_measured(every, as_json)


@app.command("run", context_settings={"allow_interspersed_args": True})
def run(
    name: Name,
    scale: Scale = PAPER,
    out: Out = None,
    data: Data = None,
    seeds: Seeds = None,
    device: Device = None,
    launcher: Launcher = None,
    jobs: Jobs = None,
    valid_sets: ValidSets = "valid",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything that can be checked, and run nothing.")
    ] = False,
    extra: Extra = None,
) -> None:
    """Make the data, train and evaluate every cell, and write the report.  Interrupted, the same command goes on.

    Example: fairseq-budget study run batch_size --scale mini
    On Slurm: fairseq-budget study run model_size --launcher slurm -- hydra.launcher.partition=gpu
    """
    from fairseq_budget.studies import launch
    from fairseq_budget.studies.checks import tasks_that_cannot_run
    from fairseq_budget.studies.place import Place

    study, place = get_study(name), Place(_out(scale, out))
    cells, how = study.runs(scale, _seeds(scale, seeds)), _how(scale, device, launcher, jobs, data, extra, valid_sets)
    if dry_run:
        _dry_run(cells, place, how)
        return
    for obstacle in tasks_that_cannot_run(cells, place, how):
        typer.echo(f"warning: what is trained can't be evaluated yet: {obstacle}", err=True)
    place.folder.mkdir(parents=True, exist_ok=True)
    with locks.alone(place.folder / ".lock", wait=0):
        launch.run(cells, place, how)
    _report(name, scale, place.folder, seeds)


@app.command("status")
def status(
    name: Name,
    scale: Scale = PAPER,
    out: Out = None,
    data: Data = None,
    seeds: Seeds = None,
    device: Device = None,
    valid_sets: ValidSets = "valid",
    commands: Annotated[
        bool, typer.Option("--commands", help="Only the commands that go on with what isn't done, a line each.")
    ] = False,
    extra: Extra = None,
    as_json: AsJson = False,
) -> None:
    """Which cells are done, running, stopped, failed or missing, and the command that goes on with each.

    Example: fairseq-budget study status model_size --out paper-a --commands
    """
    from fairseq_budget.studies import launch
    from fairseq_budget.studies.place import Place
    from fairseq_budget.studies.status import states

    place, how = Place(_out(scale, out)), _how(scale, device, None, None, data, extra, valid_sets)
    found = states(get_study(name).runs(scale, _seeds(scale, seeds)), place)
    todo = {state.cell.name: list(launch.commands(state, place, how)) for state in found}
    if as_json:
        rows = [
            {"cell": s.cell.name, "training": s.training, "share": s.share, "commands": todo[s.cell.name]} for s in found
        ]
        print(json.dumps(rows, indent=2))
        return
    if not commands:
        table = plain_table("cell", "training", "scored", "to score")
        for state in found:
            table.add_row(state.cell.name, state.text, " ".join(state.scored), " ".join(state.unscored))
        output().print(table)
        for state in found:
            if state.remark:
                typer.echo(f"{state.cell.name}: {state.remark}")
        typer.echo(f"{sum(state.done for state in found)} of {len(found)} cells are done.")
        if not place.folder.is_dir():
            typer.echo(f"There is no folder `{place.folder}` yet; `--out` says where a study is.")
    for lines in todo.values():
        for line in lines:
            typer.echo(line)


@app.command("report")
def report(name: Name, scale: Scale = PAPER, out: Out = None, seeds: Seeds = None) -> None:
    """Tables and figures of what is done so far, published values beside them: HTML, CSV, LaTeX, PNG and SVG.

    Example: fairseq-budget study report model_size --out paper-a
    """
    _report(name, scale, _out(scale, out), seeds)


def _report(name: str, scale: str, folder: Path, seeds: int | None) -> None:
    from fairseq_budget.report.studies.page import write_study_report
    from fairseq_budget.studies.place import Place

    page = write_study_report(get_study(name), check_scale(scale), Place(folder), _seeds(scale, seeds))
    typer.echo(f"report: {page}")


def _out(scale: str, out: Path | None) -> Path:
    return (out or Path(f"study-{check_scale(scale)}")).absolute()


def _seeds(scale: str, seeds: int | None) -> int:
    if seeds is not None and seeds < 1:
        raise BudgetError(f"`--seeds` must be at least 1, but is {seeds}")
    return seeds or (2 if check_scale(scale) == MINI else 1)


def _how(
    scale: str,
    device: str | None,
    launcher: str | None,
    jobs: int | None,
    data: Path | None,
    extra: list[str] | None,
    valid_sets: str,
) -> How:
    from joblib import cpu_count

    from fairseq_budget.planning.machine import open_device
    from fairseq_budget.studies.launch import BASIC, JOBLIB, LAUNCHERS, How

    device = device or open_device(None).type
    launcher = launcher or (JOBLIB if check_scale(scale) == MINI and device.startswith("cpu") else BASIC)
    if launcher not in LAUNCHERS:
        raise unknown_name("launcher", launcher, LAUNCHERS)
    folder = None if data is None else data.absolute()
    names = tuple(filter(None, map(str.strip, valid_sets.split(","))))
    if not names:
        raise BudgetError(f"`--valid-sets` must name a manifest such as `valid`, but is `{valid_sets}`")
    return How(scale, device, launcher, jobs or cpu_count(), folder, tuple(extra or ()), names)


def _dry_run(cells: list[Cell], place: Any, how: How) -> None:
    from fairseq_budget.studies.checks import find_obstacles

    found = find_obstacles(cells, place, how)
    for line in found:
        typer.echo(line)
    if found:
        raise BudgetError(f"this would stop the study ({len(found)} in all): see above")
    typer.echo(f"{len(cells)} cells: nothing that can be checked beforehand would stop them.")

"""``fairseq-budget superb``: SUPERB's tasks for a checkpoint, swept over learning rates."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.cli import superb_options as options
from fairseq_budget.cli import superb_plan
from fairseq_budget.cli.cache_options import Cache, CacheDir, CacheGib
from fairseq_budget.cli.lists import names_in, numbers_in
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.cli.superb_plan import Plan, Speed
from fairseq_budget.corpora.superb.parting import sentence
from fairseq_budget.records.downstream import Incomplete, padded
from fairseq_budget.records.results import PADDED

if TYPE_CHECKING:
    from s3prl_upstreams.sweep.possible import Obstacle


def superb(
    checkpoint: options.Checkpoint = None,
    out: options.Out = Path("superb"),
    tasks: options.Tasks = None,
    task: options.OwnTask = None,
    upstream: options.Upstream = None,
    lr: options.Rates = "1e-1,1e-2,1e-3,1e-4,1e-5",
    upstream_lr: options.UpstreamRate = None,
    device: options.Device = None,
    steps: options.Steps = None,
    halving: options.Halving = False,
    override: options.Override = None,
    workers: options.Workers = None,
    cache: Cache = "auto",
    cache_gib: CacheGib = None,
    cache_dir: CacheDir = None,
    plan: Plan = False,
    speed: Speed = None,
    dry_run: options.DryRun = False,
    seed: options.Seed = 1337,
    allow_incomplete: options.AllowIncomplete = False,
    one_by_one: options.OneByOne = False,
    pool: options.Pool = True,
    lstm_precision: options.LstmPrecision = "fp32",
    as_json: options.AsJson = False,
) -> None:
    """Evaluate a checkpoint on SUPERB: every task at several learning rates, the best on dev tested once.

    The learning rates of a task share the upstream's passes, so that five cost little more than one; except on ASR, its
    Mandarin and SF, whose heads (LSTMs of 42 million parameters) cost more than a small upstream and can't be shared.
    Interrupted at any point, the same command goes on; a task or a learning rate that fails doesn't stop the others.

    Example: fairseq-budget superb hubert-slim/checkpoints/checkpoint_last.pt --tasks ks,pr,sid --out superb/slim
    """
    # torch and s3prl take seconds to import; other commands must not wait for them
    from fairseq_budget.planning.machine import open_device
    from fairseq_budget.planning.memory import available_memory
    from s3prl_upstreams.sweep import launch, own, settings

    place = device or open_device(None).type
    common: dict[str, Any] = {"upstream": upstream, "device": place, "seed": seed, "steps": steps, "halving": halving}
    common |= {"allow_incomplete": allow_incomplete, "one_by_one": one_by_one, "upstream_rate": upstream_lr, "pool": pool}
    common |= {"cache": cache, "cache_gib": cache_gib, "cache_dir": cache_dir and str(cache_dir.absolute())}
    common |= {"rates": tuple(numbers_in("--lr", lr, float)), "workers": workers, "lstm_precision": lstm_precision}
    common |= {"command": shlex.join(["fairseq-budget", *sys.argv[1:]])}
    names, overrides, console = names_in(tasks or ("" if task else "ks")), list(override or ()), Console(stderr=True)
    if task is not None:
        leading, made = own.prepared(*task, out)
        names, overrides = [*names, task[0]], [*overrides, *leading]
        console.print(*made, sep="\n", highlight=False, markup=False, soft_wrap=True)
    todo = settings.tasks(names, out, checkpoint, overrides, **common)
    if plan:
        superb_plan.show(todo, speed, as_json)
        return
    memory = available_memory(open_device(place))
    if dry_run:
        _tell(launch.obstacles(todo, memory), as_json)
    else:
        _show(launch.sweep(todo, console, memory), as_json)


def _tell(obstacles: list[Obstacle], as_json: bool) -> None:
    """What keeps tasks from running; with any, the exit code is 1."""
    from s3prl_upstreams.sweep import possible

    if as_json:
        print(json.dumps([one.as_dict() for one in obstacles], indent=2))
    elif obstacles:
        possible.show(obstacles, output())
    else:
        typer.echo("nothing that can be checked beforehand would stop them")
    if obstacles:
        raise typer.Exit(1)


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    """The scores; where a task failed, the exit code is 1."""
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        _print(rows)
    if any(row.get("error") for row in rows):
        raise typer.Exit(1)


def _print(rows: list[dict[str, Any]]) -> None:
    table = plain_table("task", "chosen", "step", "on dev", "test", "FLOPs", "machine")
    for row in rows:
        table.add_row(*_columns(row))
    console = Console(soft_wrap=True)
    console.print(table)
    for row in rows:
        for line in _remarks(row):
            console.print(line, highlight=False, markup=False)


def _columns(row: dict[str, Any]) -> Iterator[str]:
    yield row["task"]
    yield _trial(row)
    yield numbers.NOTHING if row.get("step") is None else numbers.count(row["step"])
    by = row.get("selected_by") or {"metric": row["metric"], "value": row["dev"]}
    yield numbers.NOTHING if by["value"] is None else f"{by['metric']} {by['value']:.4g}"
    mark = "" if row.get("padding") is None else PADDED
    yield "\n".join(f"{name} {value:.4g}{mark}" for name, value in row.get("scores", {}).items()) or numbers.NOTHING
    spent = row.get("spent", {})
    flops = [spent.get(kind) for kind in ("upstream_flops", "head_flops")]
    yield numbers.NOTHING if None in flops else human_flops(sum(flops))
    yield numbers.duration(spent.get("device_seconds", float("nan")))


def _trial(row: dict[str, Any]) -> str:
    """A trial's name: its learning rate, QbE's layer, ER's fold."""
    if row.get("lr") is None:
        return numbers.NOTHING if row.get("layer") is None else f"layer {row['layer']}"
    return " ".join([f"lr {row['lr']:g}", *([row["variant"]] if row.get("variant") else [])])


def _remarks(row: dict[str, Any]) -> Iterator[str]:
    """What a reader of the table has to know about a task."""
    if row.get("error"):
        yield f"{row['task']}: {row['error']}"
    for trial in row.get("cells", ()):
        if trial.get("error") and not trial["chosen"]:
            yield f"{row['task']}, {_trial(trial)}: {trial['error']}"
    if row.get("incomplete"):
        yield f"{row['task']}: {Incomplete(**row['incomplete'])}"
    if row.get("corpus"):
        yield f"{row['task']}: {sentence(row['corpus'])}"
    if row.get("padding") is not None:
        yield f"{row['task']}: {PADDED} {padded(row['padding'])}"
    changed = row.get("sweep", {}).get("changed")
    if changed:
        yield f"{row['task']}: not the official recipe ({', '.join(f'{key}={value}' for key, value in changed.items())})"

"""``fairseq-budget plan``: what a budget buys, and which size to spend it on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.model_config import ModelConfig, validate
from fairseq_budget.arithmetic.plan import PlannedRun, Setting, plan_run, price_runs
from fairseq_budget.arithmetic.sizes import SIZES, Size, get_size
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.cli.budget_options import one_currency, with_budget_options
from fairseq_budget.cli.lists import names_in, numbers_in
from fairseq_budget.cli.objectives import frontend_names, objective_names
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.cli.probing import SMALL_BATCH, Probed, print_probe, run_probe
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.objectives import get_objective, shape_of
from fairseq_budget.planning.advice import Plan as Advised
from fairseq_budget.planning.advice import advise as advise_on
from fairseq_budget.planning.choice import PUBLISHED_FLOPS, Choice, NoChoice, choose

_DEFAULTS = Setting()
_SAMPLES = _DEFAULTS.samples_per_batch
_PRICE = typer.Option(
    "--price-per-device-hour", "--price-per-machine-hour", help="Adds what it costs; needs --step-seconds or --probe."
)
_PROBE_BATCH_HELP = f"Utterances x seconds that are probed (default: {SMALL_BATCH} on a CPU, the plan's on a GPU)."


@with_budget_options
def plan(
    objective: Annotated[str, typer.Option(help=objective_names())],
    budget: dict[str, float],
    frontend: Annotated[str, typer.Option(help=frontend_names())] = DEFAULT,
    sizes: Annotated[str | None, typer.Option(help="Sizes, comma-separated (default: all).")] = None,
    layers: Annotated[int | None, typer.Option(help="A shape of your own: Transformer layers,")] = None,
    dim: Annotated[int | None, typer.Option(help="its width,")] = None,
    ffn: Annotated[int | None, typer.Option(help="its feed-forward width,")] = None,
    heads: Annotated[int | None, typer.Option(help="its attention heads")] = None,
    final_dim: Annotated[int, typer.Option(help="and the width in which predictions are compared.")] = 256,
    ranks: Annotated[int, typer.Option("--ranks", "--workers", help="Processes that share an update.")] = _DEFAULTS.ranks,
    samples_per_batch: Annotated[
        int | None,
        typer.Option(help="Samples of a rank's batch at most (dataset.max_tokens; default: as published)."),
    ] = None,
    accumulation: Annotated[
        int, typer.Option(help="Batches a rank adds up for an update (optimization.update_freq).")
    ] = _DEFAULTS.accumulation,
    crop: Annotated[int, typer.Option(help="Samples of a typical utterance after cropping.")] = _DEFAULTS.crop,
    data_hours: Annotated[float, typer.Option(help="Hours of training data.")] = _DEFAULTS.data_hours,
    packing: Annotated[float | None, typer.Option(help="Share of a batch that is heard (default: LibriSpeech's).")] = None,
    step_seconds: Annotated[
        str | None, typer.Option(help="Measured seconds of an update, one number for each row, comma-separated.")
    ] = None,
    price_per_device_hour: Annotated[float | None, _PRICE] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Run a few steps of each size here: time, speed, memory.")] = False,
    device: Annotated[str | None, typer.Option(help="Of the probe: cpu or cuda (default: a GPU if there is one).")] = None,
    precision: Annotated[str | None, typer.Option(help="Of the probe: fp32, bf16 or fp16 (default: the recipes').")] = None,
    probe_batch: Annotated[str | None, typer.Option(help=_PROBE_BATCH_HELP)] = None,
    probe_seconds: Annotated[float, typer.Option(help="Time for all sizes; the largest are scaled if it's short.")] = 60.0,
    advise: Annotated[bool, typer.Option("--advise", help="Adds what the three papers say of the chosen run.")] = False,
    runs: Annotated[list[Path] | None, typer.Option(help="With --advise: folders of finished runs of your own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """What a budget buys for each model size, and which to choose.  Defaults are those of Liu et al. 2024: 1.33e18 FLOPs.

    Example: fairseq-budget plan --objective hubert --flops 1.33e18 --probe --price-per-device-hour 2
    """
    amounts = one_currency(budget, {"flops": PUBLISHED_FLOPS})
    setting = Setting(ranks, samples_per_batch or _SAMPLES, accumulation, crop, packing or _DEFAULTS.packing, data_hours)
    planned = [*_named(sizes, own_shape=layers is not None), *_own(layers, dim, ffn, heads, final_dim)]
    if probe and step_seconds is not None:
        raise ConfigError("`--probe` measures what `--step-seconds` would say: give one of them")
    measured = (setting, device, precision, probe_batch, probe_seconds, frontend)
    probed = run_probe(objective, planned, *measured) if probe else None
    times = probed.update_seconds if probed else _seconds(step_seconds, len(planned))
    batches = [samples_per_batch or get_objective(objective).batch_samples(size) for size in planned]
    planned_runs = [
        plan_run(size.name, shape_of(objective, size, frontend=frontend), amounts, _full(setting, batch, packing), seconds)
        for size, batch, seconds in zip(planned, batches, times, strict=True)
    ]
    if price_per_device_hour is not None:
        planned_runs = price_runs(planned_runs, price_per_device_hour)
    choice = choose(objective, planned_runs, frontend)
    advice = advise_on(objective, planned_runs, choice, amounts.amounts, frontend, runs or ()) if advise or runs else None
    if as_json:
        print(json.dumps(_as_json(planned_runs, choice, probed) | ({"advice": asdict(advice)} if advice else {}), indent=2))
    else:
        _print(planned_runs, choice, probed)
        print_advice(advice)


def _full(setting: Setting, samples: int, packing: float | None) -> Setting:
    """The setting with a size's own batch, as full as LibriSpeech's utterances fill it unless that is given."""
    setting = replace(setting, samples_per_batch=samples)
    if packing is not None or not 0 < setting.crop <= samples:
        return setting
    # numpy takes a moment to import
    from fairseq_budget.data.packing.librispeech import LONGEST, librispeech_filled

    longest = LONGEST if setting.crop >= _DEFAULTS.crop else setting.crop
    return replace(setting, packing=librispeech_filled("sorted", samples, min(longest, samples)))


def _as_json(runs: list[PlannedRun], choice: Choice | NoChoice, probed: Probed | None) -> dict[str, object]:
    rows = [asdict(run) for run in runs]
    if probed is None:
        return {"rows": rows, "choice": as_dict(choice)}
    rows = [{**row, "probe": asdict(probe)} for row, probe in zip(rows, probed.probes, strict=True)]
    return {"rows": rows, "choice": as_dict(choice), "machine": probed.machine()}


def as_dict(choice: Choice | NoChoice) -> dict[str, object]:
    """A choice for a program, the explanation included."""
    return {**asdict(choice), "explanation": choice.explanation}


def _named(sizes: str | None, own_shape: bool) -> list[Size]:
    """The rows asked for; all of them if nothing is asked for at all."""
    if sizes is None:
        return [] if own_shape else list(SIZES.values())
    return [get_size(name) for name in names_in(sizes)]


def _own(layers: int | None, dim: int | None, ffn: int | None, heads: int | None, final_dim: int) -> Iterator[Size]:
    """The shape that options describe, checked by the rules of a model's configuration."""
    shape = {"layers": layers, "dim": dim, "ffn": ffn, "heads": heads}
    given = {name: value for name, value in shape.items() if value is not None}
    if not given:
        return
    if layers is None or dim is None or ffn is None or heads is None:
        missing = ", ".join(f"`--{name}`" for name in shape if name not in given)
        raise ConfigError(f"a shape needs --layers, --dim, --ffn and --heads, but {missing} is missing")
    for name, value in {**given, "final-dim": final_dim}.items():
        if value < 1:
            raise ConfigError(f"`--{name}` must be at least 1, but is {value}")
    validate(ModelConfig(encoder_layers=layers, encoder_embed_dim=dim, encoder_attention_heads=heads))
    yield replace(
        get_size("slim"),
        name=f"{layers}x{dim}",
        encoder_layers=layers,
        encoder_embed_dim=dim,
        encoder_ffn_embed_dim=ffn,
        encoder_attention_heads=heads,
        final_dim=final_dim,
    )


def _seconds(text: str | None, rows: int) -> list[float] | list[None]:
    if text is None:
        return [None] * rows
    seconds = numbers_in("--step-seconds", text, float)
    if len(seconds) != rows:
        raise ConfigError(
            f"`--step-seconds` needs one number for each of the {rows} rows, as sizes differ in speed, but has "
            f"{len(seconds)}"
        )
    return seconds


def _print(runs: list[PlannedRun], choice: Choice | NoChoice, probed: Probed | None) -> None:
    console = output()
    timed, priced = runs[0].step_seconds is not None, runs[0].price is not None
    headings = ["size", "params", "an update", "updates", "epochs", "heard"]
    headings += (["wall", "device"] if timed else []) + (["price"] if priced else [])
    table = plain_table(*headings)
    for run in runs:
        chosen = run.name == choice.name
        table.add_row(f"{run.name} *" if chosen else run.name, *_cells(run), style="bold" if chosen else None)
    console.print(table)
    console.print(f"* {choice.explanation}", highlight=False, soft_wrap=not console.is_terminal)
    if probed is not None:
        print_probe(console, [run.name for run in runs], probed)


def print_advice(advised: Advised | None) -> None:
    """A row for each decision, and the command."""
    if advised is None:
        return
    console = output()
    table = plain_table("", "choose", "because", left=3)
    for advice in advised.advice:
        table.add_row(advice.about, advice.choice, advice.why)
    console.print(table)
    if advised.command:
        console.print(advised.command, highlight=False, soft_wrap=True)


def _cells(run: PlannedRun) -> Iterator[str]:
    yield numbers.params(run.params)
    yield human_flops(run.flops_per_update)
    yield numbers.count(run.updates)
    yield numbers.significant(run.epochs)
    yield numbers.hours(run.hours_heard)
    if run.wall_hours is not None and run.device_hours is not None:
        yield numbers.hours(run.wall_hours)
        yield numbers.hours(run.device_hours)
    if run.price is not None:
        yield numbers.significant(run.price, 4)

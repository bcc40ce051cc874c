"""``fairseq-budget bench``: how fast a training step is here, and beside whom."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fairseq_budget.cli import bench_downstream
from fairseq_budget.cli.bench_options import (
    check_has,
    check_repeats,
    chosen,
    description,
    quiet,
    reporter,
    samples_of,
    workload_of,
)
from fairseq_budget.cli.lists import names_in, numbers_in
from fairseq_budget.cli.objectives import frontend_names, objective_names
from fairseq_budget.cli.output import output
from fairseq_budget.errors import ConfigError, unknown_name
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.records.base import FILE
from fairseq_budget.records.resources import ResourcesRecord, StepResources

app = typer.Typer(help="Time training steps: beside stock fairseq and other libraries, over lengths and batches.")

Objective = Annotated[str, typer.Option(help=objective_names())]
SizeName = Annotated[str, typer.Option(help="A row of the size table.")]
FrontendName = Annotated[str, typer.Option("--frontend", help=frontend_names())]
Precisions = Annotated[str | None, typer.Option(help="fp32, bf16, fp16; several comma-separated (default: fp32).")]
Precision = Annotated[str | None, typer.Option(help="fp32, bf16 or fp16 (default: fp32).")]
Seconds = Annotated[float, typer.Option(help="Of each utterance.")]
Utterances = Annotated[int, typer.Option(help="Utterances in a step.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda (default: a GPU if there is one).")]
Implementation = Annotated[str, typer.Option(help="Whose steps: fairseq-budget, or a peer.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A setting of the recipe, such as model.dropout=0.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    objective: Objective = "hubert",
    size: SizeName = "slim",
    frontend: FrontendName = DEFAULT,
    precision: Precisions = None,
    seconds: Seconds = 10.0,
    batch: Utterances = 2,
    device: Device = None,
    peers: Annotated[
        str | None, typer.Option(help="fairseq, transformers, torchaudio, minimal_hubert, or none (default: all).")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Timed steps of each; they take turns.")] = 5,
    in_turns: Annotated[
        bool, typer.Option(" /--alone", help="One after the other, for batches of which memory holds one only.")
    ] = True,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """A training step of this project beside stock fairseq's and other libraries', in turns, on the same batches and seeds.

    Each is a process of its own, with the recipe's shape, settings and Adam.  Subcommands measure other things; give options
    after their names.

    Example: fairseq-budget bench --objective hubert --size slim --precision fp32,bf16 --peers fairseq
    """
    context.with_resource(quiet())
    if context.invoked_subcommand is not None:
        return
    from fairseq_budget.bench.compare import Entry, compare
    from fairseq_budget.bench.implementations import OURS, peers_of
    from fairseq_budget.cli.bench_tables import print_comparison

    check_repeats(repeats)
    precisions = names_in(precision or "fp32")
    workload = workload_of(objective, size, precisions[0], batch, seconds, device, settings, frontend)
    workloads = [workload.within(name).validate() for name in precisions]
    names = [OURS, *(peers_of(objective, frontend) if peers is None else chosen(peers))]
    for name in names:
        check_has(name, objective, frontend)
    comparison = compare([Entry(name, there) for name in names for there in workloads], repeats, in_turns, reporter())
    if as_json:
        print(json.dumps({**description(workload), **asdict(comparison)}, indent=2))
    else:
        print_comparison(output(), workload, comparison)


@app.command()
def grid(
    objective: Objective = "wav2vec2",
    size: SizeName = "base",
    frontend: FrontendName = DEFAULT,
    precision: Precisions = None,
    lengths: Annotated[str, typer.Option(help="Seconds of an utterance, comma-separated.")] = "1,5,10,15",
    batches: Annotated[str, typer.Option(help="Utterances in a batch, comma-separated.")] = "1,2,4,8,12",
    device: Device = None,
    implementation: Implementation = "fairseq-budget",
    repeats: Annotated[int, typer.Option(help="Timed steps of each cell, after one to warm up.")] = 2,
    memory_limit: Annotated[float | None, typer.Option(help="GB that a step may take (default: what there is).")] = None,
    out: Annotated[Path, typer.Option(help="The picture, a PNG file.")] = Path("grid.png"),
    record: Annotated[Path | None, typer.Option(help="Folder for record.json.")] = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Seconds, memory and FLOPs of a step for every length, batch and precision, each in a process of its own.

    The defaults are those of Gao et al. 2022, whose times on four devices stand beside these.

    Example: fairseq-budget bench grid --objective wav2vec2 --lengths 1,5,10,15 --batches 1,2,4
    """
    import pandas as pd

    from fairseq_budget.bench.grid import cells_of
    from fairseq_budget.cli.bench_tables import print_grid
    from fairseq_budget.report.grid_plot import grid_figure
    from fairseq_budget.report.pictures import save

    check_repeats(repeats)
    if out.suffix != ".png":
        raise ConfigError(f"`--out` must be a PNG file, but is `{out}`")
    check_has(implementation, objective, frontend)
    precisions, limit = names_in(precision or "fp32"), None if memory_limit is None else round(memory_limit * 1e9)
    workload = workload_of(objective, size, precisions[0], 1, 1.0, device, settings, frontend)
    axes = numbers_in("--lengths", lengths, float), numbers_in("--batches", batches, int)
    cells = list(cells_of(implementation, workload, *axes, precisions, repeats, limit, reporter()))
    out.parent.mkdir(parents=True, exist_ok=True)
    title = f"{implementation}: {objective}, {size}, {description(workload)['device']}"
    save(grid_figure(pd.DataFrame([asdict(cell) for cell in cells]), title, limit), out)
    if record is not None:
        device_name = str(description(workload)["device"])
        results = [StepResources(**asdict(cell)) for cell in cells]
        ResourcesRecord.of(objective=objective, size=size, device=device_name, results=results).write(record / FILE)
    if as_json:
        rows = [asdict(cell) for cell in cells]
        print(json.dumps({**description(workload), "memory_limit": limit, "rows": rows, "picture": str(out)}, indent=2))
    else:
        print_grid(output(), cells, out)


app.command("downstream")(bench_downstream.downstream)


@app.command()
def profile(
    objective: Objective = "hubert",
    size: SizeName = "slim",
    frontend: FrontendName = DEFAULT,
    precision: Precision = None,
    seconds: Seconds = 10.0,
    batch: Utterances = 2,
    device: Device = None,
    implementation: Implementation = "fairseq-budget",
    repeats: Annotated[int, typer.Option(help="Watched steps, each beside one that is only timed.")] = 5,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Where the time of a step goes: its operations by kind, with the FLOPs they do and the bytes they touch.

    Example: fairseq-budget bench profile --objective hubert --size slim --precision bf16
    """
    from fairseq_budget.bench.profile import profile as watch
    from fairseq_budget.cli.bench_tables import print_profile

    check_repeats(repeats)
    check_has(implementation, objective, frontend)
    workload = workload_of(objective, size, precision or "fp32", batch, seconds, device, settings, frontend).validate()
    found = watch(implementation, workload, repeats, reporter())
    if as_json:
        print(
            json.dumps(
                {
                    **description(workload),
                    "implementation": implementation,
                    "precision": workload.precision,
                    **asdict(found),
                },
                indent=2,
            )
        )
    else:
        print_profile(output(), implementation, workload, found)


@app.command()
def flops(
    objective: Objective = "hubert",
    size: SizeName = "slim",
    frontend: FrontendName = DEFAULT,
    seconds: Annotated[float, typer.Option(help="Of the utterance.")] = 5.0,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """FLOPs of an utterance by the closed form, beside torch's counter and DeepSpeed's profiler, which watch a model.

    Example: fairseq-budget bench flops --objective hubert --size slim
    """
    from fairseq_budget.bench.witnesses import count
    from fairseq_budget.cli.bench_tables import print_flops

    workload = workload_of(objective, size, "fp32", 1, seconds, "cpu", settings, frontend).validate()
    found = count(workload.model, workload.samples)
    if as_json:
        print(json.dumps({**description(workload), **asdict(found)}, indent=2))
    else:
        print_flops(output(), workload, found)


@app.command()
def launches(
    objective: Objective = "hubert",
    size: SizeName = "slim",
    frontend: FrontendName = DEFAULT,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp16",
    seconds: Seconds = 14.58,
    batch: Utterances = 6,
    padded: Annotated[bool, typer.Option("--padded", help="With an utterance that is a tenth shorter.")] = False,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Kernels that an update starts on a GPU, and times that the host waits for it, counted without one.

    Example: fairseq-budget bench launches --precision bf16 --set model.encoder_layerdrop=0
    """
    from fairseq_budget.bench.launches import RECIPES, count_launches

    if precision not in RECIPES:
        raise unknown_name("precision", precision, RECIPES)
    workload_of(objective, size, "fp32", batch, seconds, "cpu", settings, frontend).validate()
    found = count_launches(objective, size, precision, batch, samples_of(seconds), padded, settings or (), frontend)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        most = ", ".join(f"{count} {name}" for name, count in list(found.operations.items())[:8])
        print(f"{found.kernels} kernels at least, {found.waits} waits, {found.layers} layers; most: {most}")


@app.command()
def loader(
    data: Annotated[Path, typer.Argument(help="Folder with train.tsv (`fairseq-budget manifest`).")],
    objective: Objective = "wav2vec2",
    size: SizeName = "slim",
    frontend: FrontendName = DEFAULT,
    workers: Annotated[str, typer.Option(help="Numbers of loader processes, comma-separated.")] = "0,1,2,4",
    batch_seconds: Annotated[float, typer.Option(help="Audio in a batch at most.")] = 20.0,
    updates: Annotated[int, typer.Option(help="Updates that are timed, after two to warm up.")] = 8,
    device: Device = None,
    audio_per_second: Annotated[
        float | None, typer.Option(help="Seconds of audio that a device hears in a second (default: H100, HuBERT Base).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The share of time that training waits for data, by number of loader processes; and the audio that a core reads.

    The first is fairseq's trainer on real audio.  The second are batches of some of it, as it is and written again as FLAC,
    WAV and Opus, in files and in a tar; with the number of cores that feed a device.

    Example: fairseq-budget bench loader manifests/librispeech_960h --workers 0,1,2
    """
    from fairseq_budget.bench.loader import measure_waiting
    from fairseq_budget.bench.reading import DEVICE_RATE, measure_reading
    from fairseq_budget.cli.bench_tables import print_reading, print_waiting
    from fairseq_budget.planning.machine import device_name, open_device

    there, report, rows = open_device(device), reporter(), []
    for count in numbers_in("--workers", workers, int):
        report(f"{count} loader processes")
        rows.append(measure_waiting(data, objective, size, there, samples_of(batch_seconds), updates, count, frontend))
    rate = DEVICE_RATE if audio_per_second is None else audio_per_second
    readings = list(measure_reading(data, report))
    if as_json:
        answer = [{**asdict(row), "share": row.share} for row in rows]
        told = {"device": device_name(there), "objective": objective, "size": size, "audio_per_second": rate}
        read = [
            {**asdict(row), "hours_per_core_second": row.hours_per_core_second, "cores": row.cores(rate)} for row in readings
        ]
        print(json.dumps({**told, "rows": answer, "reading": read}, indent=2))
    else:
        print_waiting(output(), rows)
        print_reading(output(), readings, rate)


@app.command()
def start(
    data: Annotated[Path, typer.Argument(help="Folder with train.tsv; its files stand for those of a large corpus.")],
    utterances: Annotated[int, typer.Option(help="So many rows has the manifest.")] = 3_000_000,
    objective: Objective = "tera",
    size: SizeName = "0.05",
    frontend: FrontendName = "mel",
    workers: Annotated[int, typer.Option(help="Loader processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """What a corpus of many utterances costs a rank: seconds to its first update, and bytes of memory an utterance.

    Example: fairseq-budget bench start manifests/librispeech_960h --utterances 30000000
    """
    from fairseq_budget.bench.starting import measure_start
    from fairseq_budget.cli.bench_tables import print_starts

    if utterances < 1:
        raise ConfigError(f"`--utterances` must be at least 1, but is {utterances}")
    rows = list(measure_start(data, utterances, objective, size, frontend, workers, reporter()))
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print_starts(output(), rows)


@app.command()
def trainer(
    objective: Objective = "hubert",
    size: SizeName = "0.15",
    frontend: FrontendName = "mel",
    seconds: Seconds = 8.0,
    batch: Utterances = 1,
    repeats: Annotated[int, typer.Option(help="Timed updates of each; they take turns.")] = 50,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """What fairseq's trainer and the task cost on a CPU, beside a bare loop over the same model.

    Example: fairseq-budget bench trainer --size 5
    """
    from fairseq_budget.bench.overhead import measure_overhead

    workload = workload_of(objective, size, "fp32", batch, seconds, "cpu", settings, frontend).validate()
    found = measure_overhead(workload, repeats)
    if as_json:
        print(json.dumps({**description(workload), **asdict(found), "ratio": found.ratio}, indent=2))
    else:
        whole, bare = (1e3 * seconds for seconds in (found.trainer_seconds, found.bare_seconds))
        print(f"an update takes {whole:.1f} ms, {bare:.1f} ms in a bare loop: {found.ratio:.2f} times as long")


@app.command()
def ledger(
    objective: Objective = "hubert",
    size: SizeName = "slim",
    frontend: FrontendName = DEFAULT,
    precision: Precision = None,
    seconds: Seconds = 10.0,
    batch: Utterances = 2,
    device: Device = None,
    repeats: Annotated[int, typer.Option(help="Timed steps.")] = 3,
    as_json: AsJson = False,
) -> None:
    """What the ledger costs of each update: its accounting beside a training step.

    Example: fairseq-budget bench ledger --objective hubert --size 0.5 --frontend mel
    """
    from fairseq_budget.arithmetic import numbers
    from fairseq_budget.bench.bookkeeping import measure_bookkeeping

    workload = workload_of(objective, size, precision or "fp32", batch, seconds, device, frontend=frontend).validate()
    cost = measure_bookkeeping(workload, repeats)
    if as_json:
        print(json.dumps({**description(workload), **asdict(cost), "share": cost.share}, indent=2))
    else:
        step = numbers.duration(cost.step_seconds)
        print(f"{1e6 * cost.seconds:.0f} microseconds of a step of {step}: {100 * cost.share:.4f}%")

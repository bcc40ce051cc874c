"""``fairseq-budget bench downstream``: what a batch of a SUPERB task takes, with the upstream frozen or trained."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairseq_budget.arithmetic import numbers
from fairseq_budget.cli import superb_options as options
from fairseq_budget.cli.bench_options import quiet
from fairseq_budget.records.base import FILE
from fairseq_budget.records.resources import DownstreamResourcesRecord


def downstream(
    task: Annotated[str, typer.Argument(help="A task of SUPERB: ks, sf, er, sid, asr, ...")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Whose upstream (default: an untrained one, which costs the same).")
    ] = None,
    upstream: options.Upstream = None,
    upstream_lr: options.UpstreamRate = None,
    batches: Annotated[int, typer.Option(help="Timed training batches, after one to warm up.", min=1)] = 5,
    device: options.Device = None,
    override: options.Override = None,
    workers: options.Workers = 0,
    record: Annotated[Path | None, typer.Option(help="Folder for record.json.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Seconds of a training batch of a SUPERB task, and memory over time, with the upstream frozen, or trained at a rate.

    Gao et al. 2022 have such a table (3) and figure (3) of wav2vec 2.0 Base; `study run downstream_resources` makes both.

    Example: fairseq-budget bench downstream ks --upstream random_base --upstream-lr 1e-5
    """
    from fairseq_budget.planning.machine import device_name, open_device
    from fairseq_budget.planning.memory import PeakMemory, used_memory
    from s3prl_upstreams.sweep import settings
    from s3prl_upstreams.sweep.resources import watch
    from s3prl_upstreams.sweep.worker import prepare_process

    place = open_device(device)
    name = upstream or (None if checkpoint else "random_base")
    with quiet(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # s3prl prints what it does
        prepare_process()
        common = {"rates": (1e-4,), "upstream_rate": upstream_lr, "device": place.type, "workers": workers, "cache": "off"}
        (asked,) = settings.tasks([task], record or Path(), checkpoint, override or (), name, **common)
        settings.check(asked)
        peak = PeakMemory(place)
        found, trace = watch(asked, batches, lambda: used_memory(place))
    told = DownstreamResourcesRecord.of(
        task=task,
        upstream=asked.upstream,
        unfrozen=asked.unfrozen,
        device=device_name(place),
        batches=[vars(one) for one in found],
        peak_bytes=peak.bytes(),
        memory=trace,
    )
    if record is not None:
        told.write(record / FILE)
    if as_json:
        print(json.dumps(told.model_dump(exclude_unset=True), indent=2))
    else:
        Console(soft_wrap=True).print(_line(told), highlight=False)


def _line(told: DownstreamResourcesRecord) -> str:
    state = "trained" if told.unfrozen else "frozen"
    seconds = "out of memory" if told.step_seconds is None else f"{numbers.significant(told.step_seconds)} s a batch"
    memory = "" if told.peak_bytes is None else f", {numbers.significant(told.peak_bytes / 1e9)} GB at most"
    held = f"{told.utterances:.3g} utterances, {numbers.significant(told.audio_seconds)} s of audio"
    return f"{told.task}, {told.upstream} {state}, on {told.device}: {seconds} ({held}){memory}"

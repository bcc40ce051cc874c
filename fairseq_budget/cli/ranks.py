"""``fairseq-budget ranks``: a first look at checkpoints, before any task is trained on them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairseq_budget.arithmetic import numbers
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.records.base import FILE
from fairseq_budget.records.first_look import FirstLookRecord, LookEntry

if TYPE_CHECKING:
    import torch

    from fairseq_budget.diagnostics.ranks.abx import AbxSettings as AbxSettings
    from fairseq_budget.diagnostics.ranks.correlation import Correlation
    from fairseq_budget.diagnostics.ranks.look import Look


Phones = Annotated[
    Path | None,
    typer.Option(help="CTM file of phones, or a folder of TextGrids (default: *.phones.ctm beside the audio)."),
]
Abx = Annotated[
    bool, typer.Option("--abx", help="ABX errors of phones, within and across speakers; by fastabx, on Python 3.12.")
]
InContext = Annotated[
    bool, typer.Option("--in-context", help="ABX of phones between the same neighbours only: needs more speech.")
]
SpeakerRule = Annotated[
    str | None, typer.Option(help="Regular expression that finds the speaker in a file's name (default: LibriSpeech's).")
]


def ranks(
    checkpoints: Annotated[list[Path], typer.Argument(help="Checkpoints, looked at on the same utterances.")],
    data: Annotated[Path, typer.Option(help="Folder of the manifest.")],
    split: Annotated[str, typer.Option(help="Which manifest: train, valid.")] = "valid",
    utterances: Annotated[int, typer.Option(help="At most so many, drawn by the seed.")] = 256,
    seconds: Annotated[float, typer.Option(help="Of each, from its middle; shorter ones are left out.")] = 2.0,
    phones: Phones = None,
    label_dir: Annotated[Path | None, typer.Option(help="Folder of HuBERT's labels, to compare clusters with.")] = None,
    clusters: Annotated[int, typer.Option(help="Clusters of frames, compared with phones and labels.")] = 100,
    abx: Abx = False,
    in_context: InContext = False,
    speaker_rule: SpeakerRule = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw, of k-means and of permutations.")] = 0,
    device: Annotated[str, typer.Option(help="Where features are computed: cpu, cuda, cuda:1.")] = "cpu",
    with_records: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Folder of downstream results, to correlate with; may be given several times."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a record, which `report` shows with the study it is in.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """The effective rank of features (RankMe), and what clusters of them tell about phones or labels, layer by layer.

    Ranks depend on how many utterances there are and how wide the model is: compare checkpoints in one call.  Whether a
    measure says anything about tasks is what `--with` finds out, for the runs at hand.  With `--abx`, the layer that
    confuses the fewest phones across speakers is proposed for HuBERT's next labels.

    Example: fairseq-budget ranks hubert-slim/checkpoints/checkpoint_last.pt --data manifests/librispeech_960h
    """
    # torch, scikit-learn and scipy take seconds to import; other commands must not wait for them
    from fairseq_budget.data.speakers import LIBRISPEECH_RULE
    from fairseq_budget.diagnostics.ranks.look import LookSettings, look
    from fairseq_budget.errors import ConfigError
    from fairseq_budget.planning.machine import open_device

    if utterances < 2 or clusters < 2:
        raise ConfigError(f"`--utterances` and `--clusters` must be at least 2, but are {utterances} and {clusters}")
    place = open_device(device)
    how = _comparison(in_context, seed, place) if abx else None
    if in_context and not abx:
        raise ConfigError("`--in-context` says which phones ABX compares: add `--abx`")
    rule = speaker_rule or LIBRISPEECH_RULE
    settings = LookSettings(data, split, utterances, seconds, clusters, seed, place, phones, label_dir, how, rule)
    looks = look(checkpoints, settings)
    if out is not None:
        _write(looks, out)
    found: list[Correlation] | None = None
    if with_records:
        from fairseq_budget.diagnostics.ranks.correlation import correlations

        found = correlations(looks, with_records, seed)
    if as_json:
        rows = None if found is None else [correlation.as_dict() for correlation in found]
        print(json.dumps({"checkpoints": [one.as_dict() for one in looks], "correlations": rows}, indent=1))
        return
    _print(looks)
    if found is not None:
        _print_correlations(found)


def _write(looks: Sequence[Look], out: Path) -> None:
    from fairseq_budget.diagnostics.ranks.look import MEASURES

    command, results = shlex.join(["fairseq-budget", *sys.argv[1:]]), [LookEntry(**one.as_dict()) for one in looks]
    FirstLookRecord.of(command=command, measures=MEASURES, results=results).write(out / FILE)


def _comparison(in_context: bool, seed: int, device: torch.device) -> AbxSettings:
    """How ABX compares phones, once its package is known to be there."""
    from fairseq_budget.diagnostics.ranks import abx

    abx.require()
    return abx.AbxSettings(in_context, seed, device)


def _print(looks: Sequence[Look]) -> None:
    """A row for each layer of a single checkpoint, else two rows for each."""
    from fairseq_budget.diagnostics.ranks.look import MEASURES

    shown = [name for name in MEASURES if any(one.summary("last", name) is not None for one in looks)]
    table = plain_table("", "model", "layer", *(MEASURES[name] for name in shown), left=3)
    for number, one in enumerate(looks, start=1):
        rows = [] if len(looks) > 1 else [(str(layer), values) for layer, values in enumerate(one.layers)]
        rows += [(over, {name: one.summary(over, name) for name in shown}) for over in ("mean", "last")]
        for layer, values in rows:
            table.add_row(str(number), one.upstream, layer, *(numbers.measure(values[name]) for name in shown))
    console = output()
    console.print(table)
    for number, one in enumerate(looks, start=1):
        most = [min(rows, one.width) for rows in (one.utterances, one.frames)]
        console.print(
            f"{number}: {one.checkpoint}, {one.utterances:,} utterances and {one.frames:,} frames of width {one.width}: "
            f"ranks are at most {most[0]:,} and {most[1]:,}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    for number, one in enumerate(looks, start=1):
        if (line := _proposal(one)) is not None:
            console.print(f"{number}: {line}", highlight=False, markup=False, soft_wrap=True)


def _proposal(one: Look) -> str | None:
    """The layer for HuBERT's next labels; None where ABX wasn't asked for, or had nothing to compare."""
    from fairseq_budget.diagnostics.ranks.abx import ACROSS, best_layer

    found = best_layer(one.layers)
    if found is None:
        return None
    layer, measure = found
    where = "across speakers" if measure == ACROSS else "within speakers"
    return (
        f"layer {layer} confuses the fewest phones (ABX error {one.layers[layer][measure]:.1%} {where}, 50% by chance): "
        f"`fairseq-budget labels DATA --checkpoint {one.checkpoint} --layer {layer}` for HuBERT's next round"
    )


def _print_correlations(found: Sequence[Correlation]) -> None:
    from fairseq_budget.diagnostics.ranks.look import MEASURES
    from fairseq_budget.published.columns import COLUMNS

    table = plain_table("measure", "layers", "metric", "runs", "Spearman's rho", "p", left=3)
    for one in found:
        metric = COLUMNS[one.metric]
        row = (MEASURES[one.measure], one.over, f"{metric.task} {metric.metric}", str(one.runs))
        table.add_row(*row, *(numbers.NOTHING if value is None else f"{value:.3f}" for value in (one.rho, one.p)))
    console = output()
    console.print(table)
    console.print(
        f"rho above 0: what ranks higher does better. p by permutation, for each of the {len(found)} correlations alone: of "
        f"so many, about {len(found) / 20:.1f} have p < 0.05 by chance.",
        highlight=False,
        soft_wrap=True,
    )

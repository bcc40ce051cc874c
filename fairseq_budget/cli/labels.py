"""``fairseq-budget labels``: HuBERT's targets for a folder of manifests, and how good they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from fairseq_budget.cli.lists import names_in
from fairseq_budget.cli.output import output

_MAKE = "make"
_BARS = " ▁▂▃▄▅▆▇█"
_BINS = 50


class _MakeByDefault(TyperGroup):
    """``labels DATA`` is short for ``labels make DATA``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command where none is named."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MakeByDefault,
    help="Make HuBERT's labels (`labels DATA` is short for `labels make DATA`), or tell how good they are.",
    no_args_is_help=True,
)

DataDir = Annotated[Path, typer.Argument(help="Folder with the manifests train.tsv and valid.tsv.")]
LabelDir = Annotated[
    Path | None, typer.Option("--label-dir", help="Folder of the labels, training's task.label_dir (default: DATA_DIR).")
]


@app.command(_MAKE)
def make(
    data_dir: DataDir,
    label_dir: LabelDir = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Round 2: a checkpoint of round 1, whose hidden layer is clustered (default: MFCC).")
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="With --checkpoint: which layer's output, from 1 (default: 6 of 12, 2 of 3: half).")
    ] = None,
    splits: Annotated[
        str, typer.Option(help="Manifests to label, comma-separated; k-means is fitted on the first one only.")
    ] = "train,valid",
    clusters: Annotated[
        int | None, typer.Option(help="Number of labels (default: 100 of MFCC, 500 of a hidden layer).")
    ] = None,
    percent: Annotated[
        float | None,
        typer.Option(help="Share of the training utterances to fit k-means on (default: 100 of MFCC, 10 of a layer)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of utterances and of k-means.")] = 0,
    n_init: Annotated[int, typer.Option(help="Random starts of k-means, of which the best is kept.")] = 20,
    max_gib: Annotated[
        float | None, typer.Option(help="Most memory for the features k-means is fitted on, in GiB (default: half of all).")
    ] = None,
    device: Annotated[str, typer.Option(help="Where features are computed: cpu, cuda, cuda:1.")] = "cpu",
    shards: Annotated[int, typer.Option(help="Processes that share the work, each started with its own --shard.")] = 1,
    shard: Annotated[int, typer.Option(help="Which of the --shards this process does, from 0.")] = 0,
) -> None:
    """Name every frame by its nearest centre: of 39 MFCC (100 Hz, round 1) or of a model's hidden layer (50 Hz, round 2).

    Writes {split}.km and dict.km.txt, as fairseq reads them, {split}.km.bin, which training maps into memory, codebook.npy,
    kmeans.joblib and labels.json (how they were made).  Does nothing if the same labels are there; an interrupted call goes
    on where it was when it is given again.

    Example: fairseq-budget labels manifests/librispeech_960h --percent 10
    """
    # scikit-learn and torch take seconds to import; other commands must not wait for them.
    from fairseq_budget.errors import ConfigError
    from fairseq_budget.labels.features import MFCC39
    from fairseq_budget.labels.hidden import HiddenLayer
    from fairseq_budget.labels.rounds import FIRST_ROUND, LATER_ROUNDS, LabelSettings, make_labels
    from fairseq_budget.planning.machine import open_device

    if checkpoint is None and layer is not None:
        raise ConfigError("`--layer` is one of a model: name the model with `--checkpoint`")
    place = open_device(device)
    features = MFCC39(place) if checkpoint is None else HiddenLayer(checkpoint, layer, place)
    published = FIRST_ROUND if checkpoint is None else LATER_ROUNDS
    sizes = published.clusters if clusters is None else clusters, published.percent if percent is None else percent
    names = tuple(names_in(splits))
    settings = LabelSettings(names, *sizes, seed=seed, n_init=n_init, max_gib=max_gib, shards=shards, shard=shard)
    record, worked = make_labels(data_dir, settings, features, label_dir)
    folder = label_dir or data_dir
    if record is None:
        print(f"{folder}: shard {shard} of {shards} is done; the labels appear when the others are")
        return
    if not worked:
        print(f"{folder}: labels with these settings are there, nothing to do")
    _print_record(record.content)


@app.command()
def quality(
    data_dir: DataDir,
    label_dir: LabelDir = None,
    splits: Annotated[str, typer.Option(help="Splits, comma-separated.")] = "train,valid",
    phones: Annotated[
        Path | None,
        typer.Option(help="CTM file of phones in time, or a folder of TextGrids (default: *.phones.ctm beside the audio)."),
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Folder of other labels to compare with, such as round 1's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Tell how labels are used and how long they last; where phones are known, their purity and PNMI.

    Example: fairseq-budget labels quality manifests/librispeech_960h
    """
    from fairseq_budget.labels.report import label_quality

    found = label_quality(data_dir, label_dir or data_dir, tuple(names_in(splits)), phones, against)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print_quality(found, against)


def _print_record(record: dict[str, Any]) -> None:
    """A row per split, and on what the clusters were fitted."""
    table = Table("split", "utterances", "frames", "dead clusters", "perplexity", "mean run")
    for split, counts in record["splits"].items():
        sizes = (f"{counts[name]:,}" for name in ("utterances", "frames", "dead_clusters"))
        table.add_row(split, *sizes, f"{counts['perplexity']:.1f}", f"{1000 * counts['mean_run_seconds']:.0f} ms")
    console = output()
    console.print(table)
    console.print(
        f"{record['clusters']} clusters of {record['feature']} at {record['label_rate']:g} Hz, fitted on "
        f"{record['kmeans']['frames']:,} frames of {record['fit_split']} "
        f"(mean squared distance {record['kmeans']['inertia_per_frame']:.1f})",
        highlight=False,
        soft_wrap=True,
    )


def _print_quality(found: dict[str, dict[str, Any]], against: Path | None) -> None:
    console = output()
    for split, values in found.items():
        lines = [
            f"{split}: {values['utterances']:,} utterances, {values['frames']:,} labels at {values['label_rate']:g} Hz",
            f"  clusters     {values['clusters']}, {values['dead_clusters']} of them dead; used as evenly as "
            f"{values['perplexity']:.1f} would be (entropy {values['entropy_bits']:.2f} bits)",
            f"  histogram    {_bars(values['histogram'])} most used: {100 * values['largest_share']:.1f}%",
            f"  runs         {1000 * values['mean_run_seconds']:.0f} ms in the mean, "
            f"{1000 * values['median_run_seconds']:.0f} ms median, {values['longest_run_seconds']:.2f} s at most",
            f"  phones       {_agreement(values['phones'], 'phone')}",
        ]
        if against is not None:
            lines.append(f"  {against}: {_agreement(values['against'], 'label')}")
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _agreement(values: dict[str, Any] | None, kind: str) -> str:
    """Purities and mutual information in a line; `kind` is what the labels are compared with."""
    if values is None:
        return "not known (no *.phones.ctm beside the audio; see --phones)"
    if not values["frames"]:
        return "no frame in common"
    normalised = "PNMI" if kind == "phone" else "mutual information over their entropy"
    return (
        f"{values['phones']} on {values['frames']:,} frames: {kind} purity {values['phone_purity']:.3f}, cluster purity "
        f"{values['cluster_purity']:.3f}, {normalised} {values['pnmi']:.3f}"
    )


def _bars(counts: list[int]) -> str:
    """The counts, largest first, as a line of bars; each stands for neighbouring clusters' mean."""
    ordered = sorted(counts, reverse=True)
    bins = [ordered[i * len(ordered) // _BINS : (i + 1) * len(ordered) // _BINS] for i in range(_BINS)]
    heights = [sum(members) / len(members) for members in bins if members]
    return "".join(_BARS[round((len(_BARS) - 1) * height / (ordered[0] or 1))] for height in heights)

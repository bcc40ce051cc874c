"""``fairseq-budget labels``: HuBERT's targets for a folder of manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table


def labels(
    data_dir: Annotated[Path, typer.Argument(help="Folder with train.tsv, valid.tsv; the labels are written there.")],
    splits: Annotated[
        str, typer.Option(help="Manifests to label, comma-separated; k-means is fitted on the first one only.")
    ] = "train,valid",
    clusters: Annotated[int, typer.Option(help="Number of labels; the papers' first round has 100.")] = 100,
    percent: Annotated[float, typer.Option(help="Share of the training utterances to fit k-means on.")] = 100.0,
    seed: Annotated[int, typer.Option(help="Seed of the choice of utterances and of k-means.")] = 0,
    n_init: Annotated[int, typer.Option(help="Random starts of k-means, of which the best is kept.")] = 20,
    max_gib: Annotated[float, typer.Option(help="Most memory for the features k-means is fitted on, in GiB.")] = 8.0,
) -> None:
    """Cluster 39 MFCC a frame (100 Hz) into HuBERT's first-round labels.

    Writes {split}.km and dict.km.txt, as fairseq reads them, kmeans.joblib and labels.json (how they were made).  Does
    nothing if the same labels are there.
    """
    # scikit-learn and torch take seconds to import; other commands must not wait for them.
    from fairseq_budget.tools.features import MFCC39
    from fairseq_budget.tools.labels import LabelSettings, existing, make_labels

    settings = LabelSettings(tuple(splits.split(",")), clusters, percent, seed, n_init, max_gib)
    features = MFCC39()
    record = existing(data_dir, settings, features)
    if record is None:
        record = make_labels(data_dir, settings, features)
    else:
        print(f"{data_dir}: labels with these settings are there, nothing to do")
    _print(record)


def _print(record: dict[str, Any]) -> None:
    """A row per split, and on what the clusters were fitted."""
    table = Table("split", "utterances", "frames", "dead clusters")
    for split, counts in record["splits"].items():
        table.add_row(split, *(f"{counts[name]:,}" for name in ("utterances", "frames", "dead_clusters")))
    console = Console()
    console.print(table)
    console.print(
        f"{record['clusters']} clusters of {record['feature']} at {record['label_rate']} Hz, fitted on "
        f"{record['kmeans']['frames']:,} frames of {record['fit_split']} "
        f"(mean squared distance {record['kmeans']['inertia_per_frame']:.1f})",
        highlight=False,
        soft_wrap=True,
    )

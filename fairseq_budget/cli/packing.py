"""``fairseq-budget analyse packing``: how full the batches of a corpus are, by every rule."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.errors import BudgetError, ConfigError

if TYPE_CHECKING:
    import numpy as np

    from fairseq_budget.data.packing.statistics import PackingStatistics

ROWS = {
    "batches": ("batches of an epoch", "{:,}"),
    "efficiency": ("full: heard / (batches x limit)", "{:.1%}"),
    "heard": ("audio of the corpus that is heard", "{:.1%}"),
    "left_out": ("utterances in no batch", "{:.1%}"),
    "padded": ("padding", "{:.1%}"),
    "shapes": ("shapes (rows x samples)", "{:,}"),
    "commonest": ("batches of the commonest length", "{:.1%}"),
    "spread_seconds": ("longest - shortest of a batch", "{:.2f} s"),
    "meet_again": ("pairs together next epoch, too", "{:.1%}"),
}
RULES = (("sorted", False), ("sorted", True), ("buckets", False), ("buckets", True), ("bins", True))
"""By name, and whether padded."""


def packing(
    data: Annotated[Path | None, typer.Argument(help="A manifest, or a folder with train.tsv.")] = None,
    librispeech_like: Annotated[
        int | None, typer.Option(help="Instead of DATA: so many lengths distributed as LibriSpeech's (which has 281241).")
    ] = None,
    max_samples: Annotated[int, typer.Option(help="Samples of a batch at most (dataset.max_tokens).")] = 1_400_000,
    max_sample_size: Annotated[int, typer.Option(help="Longest crop in samples (task.max_sample_size).")] = 250_000,
    min_sample_size: Annotated[int, typer.Option(help="Shorter utterances are left aside (task.min_sample_size).")] = 32_000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """How full the batches of a corpus are with each `task.batching`, cropped and padded, and how much they mix.

    Example: fairseq-budget analyse packing manifests/librispeech_960h
    """
    # numpy takes a moment to import; other commands must not wait for it
    import numpy as np

    from fairseq_budget.data.packing import pack
    from fairseq_budget.data.packing.statistics import measure

    lengths = _lengths(data, librispeech_like, seed)
    lengths = lengths[lengths >= min_sample_size]
    if not 0 < max_sample_size <= max_samples:
        raise ConfigError(f"`--max-sample-size` must be 1 to `--max-samples` = {max_samples}, but is {max_sample_size}")
    if not len(lengths):
        raise BudgetError(f"every utterance is shorter than `--min-sample-size` = {min_sample_size} samples: lower it")
    cropped = np.minimum(lengths, max_sample_size)
    found = {}
    for rule, padding in RULES:
        packer = pack(rule, cropped, max_samples, None, padding)
        found[rule, padding] = measure(packer, lengths, max_sample_size, max_samples, seed)
    if as_json:
        named = [{"batching": rule, "padding": padding, **asdict(row)} for (rule, padding), row in found.items()]
        print(json.dumps(named, indent=2, allow_nan=False))
    else:
        _print(found)


def _lengths(data: Path | None, librispeech_like: int | None, seed: int) -> np.ndarray:
    """Shape: -> (N,) int64"""
    from fairseq_budget.data.manifest import Manifest
    from fairseq_budget.data.packing import librispeech

    if (data is None) == (librispeech_like is None):
        raise ConfigError("give either a manifest (or its folder), or `--librispeech-like N`")
    if data is not None:
        return Manifest.read(data / "train.tsv" if data.is_dir() else data).frames
    if librispeech_like is None or librispeech_like < 1:
        raise ConfigError(f"`--librispeech-like` must be at least 1, but is {librispeech_like}")
    return librispeech.librispeech_like(librispeech_like, seed)


def _print(found: dict[tuple[str, bool], PackingStatistics]) -> None:
    table = plain_table("task.batching", *(f"{rule}\npadded" if padding else rule for rule, padding in found))
    for name, (heading, form) in ROWS.items():
        table.add_row(heading, *(form.format(getattr(statistics, name)) for statistics in found.values()))
    output().print(table)

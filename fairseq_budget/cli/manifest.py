"""``fairseq-budget manifest``: which audio to train on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairseq_budget.errors import ConfigError

if TYPE_CHECKING:
    from fairseq_budget.data.manifest import Utterances


def manifest(
    source: Annotated[
        Path, typer.Argument(help="Folder with audio (FLAC, WAV, Ogg, MP3, ...), at any depth, or a manifest (or SpidR's).")
    ],
    out: Annotated[Path, typer.Option(help="Folder for train.tsv and valid.tsv; with --hours: OUT_1h, OUT_10h, ...")],
    valid_root: Annotated[Path | None, typer.Option(help="Folder with the validation audio, or its manifest.")] = None,
    valid_share: Annotated[
        float | None, typer.Option(help="Share of SOURCE's utterances to validate on instead (default: 0.05).")
    ] = None,
    valid_speakers: Annotated[
        bool, typer.Option("--valid-speakers", help="Hold out whole speakers, who have that share of the hours.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of what is held out, and of --hours.")] = 0,
    min_seconds: Annotated[float, typer.Option(help="Leave out what is shorter.")] = 0.0,
    max_seconds: Annotated[float, typer.Option(help="Leave out what is longer.")] = math.inf,
    hours: Annotated[
        str | None,
        typer.Option(help="Subsets for training, such as 10min,1,10,100: each within the larger ones, speakers balanced."),
    ] = None,
    segment_seconds: Annotated[
        float | None,
        typer.Option(help="Re-cut the training audio into segments of this length (Gao et al. 2022)."),
    ] = None,
    cross_speakers: Annotated[
        bool, typer.Option("--cross-speakers", help="A segment may join speakers; otherwise it has one.")
    ] = False,
    speaker_rule: Annotated[
        str | None,
        typer.Option(help="Regular expression; its first group in a file's name is the speaker (default: LibriSpeech's)."),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be read.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without the files beside them that tell where they come from.")
    ] = False,
) -> None:
    """Write the manifests train.tsv and valid.tsv for the audio of SOURCE.  No audio is copied.

    Example: fairseq-budget manifest /data/speech --valid-share 0.05 --hours 1,10 --out manifests/speech
    """
    from fairseq_budget.data.selection import Selection, open_audio
    from fairseq_budget.data.speakers import LIBRISPEECH_RULE

    subsets = _parse_hours(hours)
    selection = Selection(
        seed,
        min_seconds,
        max_seconds,
        valid_share,
        valid_speakers,
        tuple(subsets),
        segment_seconds,
        cross_speakers,
        speaker_rule or LIBRISPEECH_RULE,
    )
    audio = open_audio(source, skip_bad)
    valid_audio = open_audio(valid_root, skip_bad) if valid_root else None
    headers = [None if plain else selection.header("manifest", origin) for origin in (audio, valid_audio or audio)]
    for size, *parts in selection.make(audio, valid_audio):
        _write(out if size is None else out.with_name(f"{out.name}_{subsets[size]}"), parts, headers)


def _write(folder: Path, parts: Iterable[Utterances], headers: Iterable[dict[str, Any] | None]) -> None:
    for name, part, header in zip(("train", "valid"), parts, headers, strict=True):
        path = folder / f"{name}.tsv"
        part.write(path, header)
        typer.echo(f"{name}: {len(part)} utterances, {part.hours:.3f} h, {path}{_describe(part)}")


def _parse_hours(text: str | None) -> dict[float, str]:
    """Hours of each subset, and what its folder's name ends with."""
    try:
        return dict(_parse_subset(part.strip()) for part in text.split(",")) if text else {}
    except ValueError:
        raise ConfigError(
            f"`--hours {text}`: expected hours, or minutes as 10min, with commas between them, such as 10min,1,10,100"
        ) from None


def _parse_subset(text: str) -> tuple[float, str]:
    if text.endswith("min"):
        minutes = float(text.removesuffix("min"))
        return minutes / 60, f"{minutes:g}min"
    return float(text), f"{float(text):g}h"


def _describe(part: Utterances) -> str:
    """Of segments, how long they came out."""
    from fairseq_budget.data.segments import Segments

    return f"\n{part.description}" if isinstance(part, Segments) else ""

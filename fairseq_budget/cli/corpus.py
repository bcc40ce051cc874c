"""``fairseq-budget corpus``: corpora to train and test on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make corpora.", no_args_is_help=True)


@app.callback()
def corpus() -> None:
    """Make corpora."""


@app.command()
def synthetic(
    out: Annotated[Path, typer.Argument(help="Folder for the corpus; made if it is not there.")],
    hours: Annotated[float, typer.Option(help="Hours of training speech in LibriSpeech's layout.")] = 0.5,
    dev_hours: Annotated[float, typer.Option(help="Hours of held-out speech, by other speakers.")] = 0.05,
    speakers: Annotated[int, typer.Option(help="Training speakers; a quarter as many others are held out.")] = 24,
    keyword_speakers: Annotated[int, typer.Option(help="Training speakers of the keyword corpus.")] = 40,
    takes: Annotated[int, typer.Option(help="Recordings of each keyword by each speaker.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed and settings give the same bytes.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; any number, same bytes.  [default: all]")] = None,
) -> None:
    """Synthetic English speech, spoken by eSpeak NG: OUT/librispeech and OUT/speech_commands.  Downloads nothing."""
    from joblib import cpu_count

    from fairseq_budget.data.corpora.synthetic import Settings, make_corpus

    settings = Settings(hours, dev_hours, speakers, keyword_speakers, takes, seed)
    # joblib counts the cores that this process may use, not those of the machine (a cluster's or container's share).
    made, new = make_corpus(out, settings, cpu_count() if workers is None else workers)
    if not new:
        typer.echo(f"{out} is finished already, with these settings:")
    for part, total in made.items():
        typer.echo(f"{out / part}: {total.speakers} speakers, {total.files} files, {total.seconds / 3600:.3f} h")

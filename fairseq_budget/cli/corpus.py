"""``fairseq-budget corpus``: corpora to train and test on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairseq_budget.cli import superb_corpus
from fairseq_budget.cli.lists import names_in
from fairseq_budget.errors import BudgetError

if TYPE_CHECKING:
    from fairseq_budget.corpora.librispeech import Corpus

app = typer.Typer(help="Make or prepare corpora.", no_args_is_help=True)
app.command("superb")(superb_corpus.superb)
app.command("mini-superb")(superb_corpus.mini_superb)

Root = Annotated[Path, typer.Argument(help="The folder LibriSpeech, or the one it lies in (or shall lie in).")]
Manifests = Annotated[
    Path,
    typer.Option(help="Folder for manifests, where the recipes look for them.", envvar="FAIRSEQ_BUDGET_MANIFESTS"),
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch the parts that aren't there from OpenSLR, and unpack them.")
]
Url = Annotated[str | None, typer.Option(help="Folder of the archives on a mirror (default: OpenSLR's own).")]
Parts = Annotated[
    str | None,
    typer.Option(help="Some parts alone, such as train-clean-100,dev-clean; into OUT/librispeech_TRAINING-PARTS."),
]


@app.command()
def librispeech(
    root: Root, out: Manifests = Path("manifests"), parts: Parts = None, download: Download = False, url: Url = None
) -> None:
    """LibriSpeech: OUT/librispeech_960h/train.tsv (960 h), valid.tsv (dev-clean) and the other dev and test parts.

    No audio is copied.  A download that was cut off goes on when the same command is given again.

    Example: fairseq-budget corpus librispeech /data/LibriSpeech --out manifests
    """
    from fairseq_budget.corpora.librispeech import LIBRISPEECH, of_parts

    chosen = LIBRISPEECH if parts is None else of_parts(LIBRISPEECH, names_in(parts))
    _prepare(chosen, root, out, download, url)


@app.command()
def mini_librispeech(root: Root, out: Manifests = Path("manifests"), download: Download = False, url: Url = None) -> None:
    """Mini LibriSpeech (5 h, 0.5 GB): OUT/mini_librispeech/train.tsv and valid.tsv.

    Example: fairseq-budget corpus mini-librispeech /data/mini --download
    """
    from fairseq_budget.corpora.librispeech import MINI_LIBRISPEECH

    _prepare(MINI_LIBRISPEECH, root, out, download, url)


def _prepare(corpus: Corpus, root: Path, out: Path, download: bool, url: str | None) -> None:
    from fairseq_budget.corpora.librispeech import fetch, prepare

    if url is not None and not download:
        raise BudgetError("`--url` says where to download from: add `--download`, or leave it out")
    if download:
        fetch(corpus, root, url or corpus.url, typer.echo)
    for path, manifest in prepare(corpus, root, out):
        if manifest is None:
            typer.echo(f"{path.stem}: not there, left out")
        else:
            typer.echo(f"{path.stem}: {len(manifest):,} utterances, {manifest.hours:.3f} h, {path}")


@app.command()
def synthetic(
    out: Annotated[Path, typer.Argument(help="Folder for the corpus; made if it is not there.")],
    hours: Annotated[float, typer.Option(help="Hours of training speech in LibriSpeech's layout.")] = 0.5,
    dev_hours: Annotated[float, typer.Option(help="Hours of held-out speech, by other speakers.")] = 0.05,
    speakers: Annotated[int, typer.Option(help="Training speakers; a quarter as many others are held out.")] = 24,
    keyword_speakers: Annotated[int, typer.Option(help="Training speakers of the keyword corpus.")] = 40,
    takes: Annotated[int, typer.Option(help="Recordings of each keyword by each speaker.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed and settings give the same bytes.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; any number, same bytes (default: all).")] = None,
) -> None:
    """Synthetic English speech, spoken by eSpeak NG: OUT/librispeech and OUT/speech_commands.  Downloads nothing.

    Example: fairseq-budget corpus synthetic corpus --hours 0.5 --dev-hours 0.2
    """
    from joblib import cpu_count

    from fairseq_budget.synthetic.corpus import SyntheticSettings, make_corpus

    settings = SyntheticSettings(hours, dev_hours, speakers, keyword_speakers, takes, seed)
    # joblib counts the cores that this process may use, not those of the machine (a cluster's or container's share).
    made, new = make_corpus(out, settings, cpu_count() if workers is None else workers)
    if not new:
        typer.echo(f"{out} is finished already, with these settings:")
    for part, total in made.items():
        typer.echo(f"{out / part}: {total.speakers} speakers, {total.files} files, {total.seconds / 3600:.3f} h")


@app.command()
def pack(
    source: Annotated[Path, typer.Argument(help="Folder with audio, at any depth.")],
    out: Annotated[Path, typer.Argument(help="Folder for the shards, and for all.tsv, which lists what is in them.")],
    shard_mb: Annotated[float, typer.Option(help="Megabytes of audio in a shard at most.")] = 1000.0,
    kind: Annotated[str, typer.Option(help="tar, or zip (stored, not compressed).")] = "tar",
) -> None:
    """Pack the audio of a folder into shards that `manifest` reads: OUT/shard-000000.tar, ...  Files are copied as they are.

    A packing that was cut off goes on when the same command is given again.  Train on `fairseq-budget manifest OUT/all.tsv`.

    Example: fairseq-budget corpus pack /data/LibriSpeech shards --shard-mb 500
    """
    from fairseq_budget.corpora.pack import MANIFEST
    from fairseq_budget.corpora.pack import pack as make

    packed = make(source, out, round(shard_mb * 1e6), kind, typer.echo)
    typer.echo(f"{len(packed):,} utterances, {packed.hours:.3f} h in {len(packed.archives):,} shards, {out / MANIFEST}")

"""``fairseq-budget corpus superb`` and ``mini-superb``: what SUPERB's tasks need of their corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path, typer.Option(help="Folder for what is prepared; the recipes look for it there.", envvar="SUPERB", show_envvar=True)
]
Tasks = Annotated[list[str] | None, typer.Option("--task", help="Only for this task; may be given several times.")]


def superb(
    task: Annotated[
        str, typer.Argument(help="pr, asr, asr_zh, ks, ks35, ic, sf, sid, asv, sd, er, qbe, keywords, speakers.")
    ],
    root: Annotated[Path, typer.Argument(help="Folder of the corpus.")],
    out: Out,
    own_lists: Annotated[
        bool,
        typer.Option("--own-lists", help="Make lists from the corpus, instead of the official ones; for other corpora."),
    ] = False,
) -> None:
    """Check the corpus of a SUPERB task and write what s3prl lacks to OUT/TASK: lists, vocabularies, Kaldi folders.

    Official lists that can't be rebuilt are fetched from s3prl's repositories at a fixed commit, and verified.

    Example: fairseq-budget corpus superb asr /data/LibriSpeech --out superb-lists
    """
    from fairseq_budget.corpora.superb.prepare import prepare

    for line in prepare(task, root, out, own_lists):
        typer.echo(line)


def mini_superb(
    out: Annotated[Path, typer.Argument(help="Folder for the corpora; made if it is not there.")],
    task: Tasks = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; any number, same bytes (default: all).")] = None,
) -> None:
    """Miniature corpora for every SUPERB task, spoken by eSpeak NG: to see that a task runs.  Downloads nothing.

    Example: fairseq-budget corpus mini-superb mini
    """
    from joblib import cpu_count

    from fairseq_budget.synthetic.superb import everything

    made = everything.make(out, tuple(task or ()), seed, cpu_count() if workers is None else workers)
    for name, total in made.items():
        typer.echo(f"{out / name}: {total.speakers} speakers, {total.files} files, {total.seconds:.0f} s")
    typer.echo(f"Use them with: export SUPERB={out.resolve()}")

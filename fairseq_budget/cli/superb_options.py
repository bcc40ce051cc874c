"""The options of ``fairseq-budget superb``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Checkpoint = Annotated[
    str | None,
    typer.Argument(
        help="A checkpoint of ours or of fairseq's, a folder or a name of Hugging Face's, what an upstream of s3prl's "
        "reads; none for fbank, random_slim, hubert, ..."
    ),
]
Out = Annotated[Path, typer.Option(help="Folder for results, one folder for each task in it.")]
Tasks = Annotated[
    str | None, typer.Option(help="Tasks, comma-separated: pr, asr, ks, ic, sf, sid, asv, sd, er, ... (default: ks).")
]
OwnTask = Annotated[
    tuple[str, Path] | None,
    typer.Option(metavar="NAME DIR", help="A task on a folder of yours: `keywords` (folders of words), `speakers`."),
]
Upstream = Annotated[
    str | None,
    typer.Option(
        help="s3prl's name: budget_local, budget_slim, ..., random_local (the same untrained), random_slim, ... (untrained, "
        "without a checkpoint), hf_hubert_custom, hf_wav2vec2_custom, fbank, or any other of s3prl's hub (default: by the "
        "checkpoint)."
    ),
]
Rates = Annotated[str, typer.Option(help="Learning rates, comma-separated; the papers' five.")]
UpstreamRate = Annotated[
    float | None, typer.Option("--upstream-lr", help="Train the upstream, too, at this learning rate (default: frozen).")
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda (default: a GPU if there is one).")]
Steps = Annotated[
    int | None, typer.Option(help="Shorten every task to so many updates; not official, and its record says so.")
]
Halving = Annotated[
    bool, typer.Option("--halving", help="Give up the worse half of the trials at 1/8, 1/4 and 1/2 of the updates.")
]
Override = Annotated[
    list[str] | None,
    typer.Option("--override", "-o", help="s3prl's override of recipes, config.a.b=1; of one task's, ks:config.a.b=1."),
]
Workers = Annotated[int | None, typer.Option(help="Processes that read audio, instead of the recipes' numbers (6 to 24).")]
Seed = Annotated[int, typer.Option(help="Seed of every trial.")]
AllowIncomplete = Annotated[
    bool,
    typer.Option("--allow-incomplete", help="Go on where files of a corpus are missing; its scores say so everywhere."),
]
OneByOne = Annotated[
    bool,
    typer.Option("--one-by-one", help="Run the upstream on one utterance at a time: slower, and no padding in it."),
]
Pool = Annotated[
    bool,
    typer.Option(
        help="Give heads that read nothing of an utterance but its mean over time that mean, not every frame; have the "
        "others add up layers as products with one copy. Without it a trial is bit by bit s3prl's own."
    ),
]
LstmPrecision = Annotated[
    str,
    typer.Option(help="fp32, as SUPERB's recipes are, or bf16 for LSTMs of heads (ASR, SF, SD); the record says so."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what tasks can't do here (package, corpus, memory), and begin none.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records as JSON and nothing else.")]

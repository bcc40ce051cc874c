"""Options of the store of hidden states, for each command that has one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Cache = Annotated[
    str, typer.Option(help="Store hidden states: fp32, fp16 (rounded), off, or auto: fp32 where a count says that it pays.")
]
CacheGib = Annotated[
    float | None, typer.Option(help="Largest size of that store in GiB (default: what the disk has room for).")
]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Its folder (default: among the user's caches).", envvar="FAIRSEQ_BUDGET_CACHE", show_envvar=True),
]

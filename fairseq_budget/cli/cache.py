"""``fairseq-budget cache``: the store of hidden states that ``superb`` and ``run_downstream`` keep."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.cli.cache_options import CacheDir

app = typer.Typer(help="The store of hidden states that SUPERB's tasks keep.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def stat(cache_dir: CacheDir = None, as_json: AsJson = False) -> None:
    """Say where the store is, how large it is, and when its oldest file was last used.

    Example: fairseq-budget cache stat --json
    """
    from s3prl_upstreams.store import folder

    place = (cache_dir or folder.default_folder()).absolute()
    found = folder.files(place)
    size, oldest = sum(file.size for file in found), min((file.used for file in found), default=None)
    told = None if oldest is None else datetime.fromtimestamp(oldest).astimezone().isoformat(timespec="seconds")
    if as_json:
        print(json.dumps({"folder": str(place), "utterances": len(found), "bytes": size, "oldest_use": told}, indent=2))
        return
    typer.echo(f"{place}: {len(found):,} utterances, {numbers.significant(size / GIB)} GiB")
    if told is not None:
        typer.echo(f"the one used least recently: {told}")


@app.command()
def clear(cache_dir: CacheDir = None) -> None:
    """Remove all hidden states of the store, and nothing else.  A task that is running computes them again.

    Example: fairseq-budget cache clear
    """
    from s3prl_upstreams.store import folder

    place = (cache_dir or folder.default_folder()).absolute()
    typer.echo(f"{place}: {numbers.significant(folder.clear(place) / GIB)} GiB removed")

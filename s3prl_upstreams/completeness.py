"""Compares the lists of a task with the files: a score on a part of a corpus can't be compared with anybody's."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import Task
from s3prl_upstreams.tasks.base import Config
from s3prl_upstreams.tasks.listing import Listing
from s3prl_upstreams.user_cache import is_cached, user_cache

FLAG = "--allow-incomplete"
MARK = "incomplete"
"""In a run's configuration, which its checkpoints hold: `missing` files `of` so many, and `such_as`."""
_SHOWN = 3
_CACHED_AS = "incomplete"


class IncompleteCorpus(BudgetError):
    """Files are missing, and the run may go on without them."""


def compare(task: Task, args: Namespace, config: Config, allow: bool) -> None:
    """Refuse a task whose lists name files that aren't there; with `allow`, mark the run and leave them out.

    Training, and a task that has none, needs all splits, an evaluation its own.  A mark from a checkpoint's training stays,
    and what was missing then is not refused again.

    Raises:
        IncompleteCorpus: something is missing; names the first few, and how many of how many.
        BudgetError: nothing of a list is there, or lies elsewhere, so that a run can't go on without it.
    """
    if task.lists is None:
        return
    expert = config["downstream_expert"]
    listings = list(task.lists(expert, splits(task, args, config)))
    lacking = [listing for listing in listings if listing.missing]
    if not lacking:
        return
    _refuse_what_cannot_be_left_out(task, lacking)
    if config.get(MARK) and not any(_is_ours(listing) for listing in lacking):
        return  # by lists that name what was missing when the checkpoint was trained
    if not allow:
        raise IncompleteCorpus(f"{_told(task, listings)}: complete the corpus, or add `{FLAG}`, which marks the score")
    config[MARK] = _mark(listings, config.get(MARK))
    if task.leave_out is not None:
        task.leave_out(expert, _folder(task, listings))


def splits(task: Task, args: Namespace, config: Config) -> list[str]:
    """The splits of the corpus that a run reads."""
    if task.trains and args.mode != "train":
        return [args.evaluate_split]
    evaluated = (config.get("runner") or {}).get("eval_dataloaders") or ()
    return list(dict.fromkeys(["train", *evaluated, *filter(None, (task.dev_split, task.test_split))]))


def _refuse_what_cannot_be_left_out(task: Task, lacking: Sequence[Listing]) -> None:
    for listing in lacking:
        found = listing.elsewhere()
        if found is not None:
            raise BudgetError(
                f"`{task.name}`: the paths of {_source(listing)} are of another layout: expected `{found[1]}`, found "
                f"`{found[0]}`; give the folder that its paths begin in, or make the list again"
            )
    for listing in lacking:
        if listing.needed or len(listing.missing) == len(listing.names):
            raise BudgetError(f"{_told(task, [listing])}: complete the corpus, or make the list again")


def _told(task: Task, listings: Sequence[Listing]) -> str:
    """How much is missing, in all and by list, and the first few names of each."""
    missing, of = _counts(listings)
    parts = "; ".join(_part(listing) for listing in listings if listing.missing)
    return f"the corpus of `{task.name}` is incomplete, {missing} of {of} files are missing: {parts}"


def _part(listing: Listing) -> str:
    place = "" if listing.folders[0] == Path() else f" in `{listing.folders[0]}`"  # none for absolute paths
    such_as = ", ".join(f"`{name}`" for name in listing.missing[:_SHOWN])
    return f"{len(listing.missing)} of {len(listing.names)} that {_source(listing)} names{place}, such as {such_as}"


def _source(listing: Listing) -> str:
    return f"`{listing.source}`" if isinstance(listing.source, Path) else listing.source


def _counts(listings: Sequence[Listing]) -> tuple[int, int]:
    """Files missing, and files in all; one that several lists name counts once."""
    missing = {(listing.folders[0], name) for listing in listings for name in listing.missing}
    return len(missing), len({(listing.folders[0], name) for listing in listings for name in listing.names})


def _mark(listings: Sequence[Listing], before: dict[str, Any] | None) -> dict[str, Any]:
    missing, of = _counts(listings)
    such_as = list(dict.fromkeys(name for listing in listings for name in listing.missing))
    if before is not None:
        more, _ = _counts([listing for listing in listings if _is_ours(listing)])
        missing, of, such_as = before["missing"] + more, before["of"], before["such_as"] + such_as
    return {"missing": missing, "of": of, "such_as": such_as[:_SHOWN]}


def _is_ours(listing: Listing) -> bool:
    """Whether a list is one of those written here, from which what was missing is gone."""
    return is_cached(_CACHED_AS, Path(listing.source))


def _folder(task: Task, listings: Sequence[Listing]) -> Path:
    """A folder of the user's for the lists of what is there, another one for every other set of files."""
    content = "\0".join(f"{listing.source}\0{listing.folders}\0{listing.names}\0{listing.missing}" for listing in listings)
    return user_cache(f"{_CACHED_AS}/{task.name}", os.fsencode(content))

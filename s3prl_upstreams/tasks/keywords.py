"""Keyword spotting on folders of one's own: the head and the protocol of KS, a class for each folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from fairseq_budget.corpora.superb import folders
from s3prl_upstreams.tasks import speech_commands
from s3prl_upstreams.tasks.accuracy import accuracy_task
from s3prl_upstreams.tasks.base import Config
from s3prl_upstreams.tasks.listing import Listing, keep_lines, lines, mirror, write


def _prepared(expert: Config) -> Path:
    return Path(expert["datarc"]["speech_commands_root"]).parent


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The list that was written when the folders were prepared; its recordings are links to the user's."""
    table = _prepared(expert) / folders.FILES
    rows = [line.split("\t") for line in lines(table)]
    for split in splits:
        yield Listing(table, (table.parent,), tuple(place for part, place, *_ in rows if part == split))


def _leave_out(expert: Config, folder: Path) -> None:
    """s3prl takes what it finds, links that lead nowhere as well."""
    before = _prepared(expert)
    keep_lines(before / folders.FILES, folder / folders.FILES, lambda line: (before / line.split("\t")[1]).exists())
    write(folder / folders.TOLD, (before / folders.TOLD).read_text(encoding="utf-8"))
    for part, key in (("train", "speech_commands_root"), ("test", "speech_commands_test_root")):
        for place in (entry for entry in Path(expert["datarc"][key]).iterdir() if entry.is_dir()):
            mirror(place, folder / part / place.name)
        expert["datarc"][key] = str(folder / part)


def _told(expert: Config) -> dict[str, Any]:
    return folders.told(_prepared(expert))


TASK = accuracy_task(
    "keywords",
    "Keyword spotting, a corpus of one's own",
    "speech_commands",
    "KEYWORDS_ACC",
    ("SUPERB",),
    paths=speech_commands.PATHS,
    checks=(speech_commands.tested_classes_are_trained, speech_commands.a_whole_batch),
    lists=_lists,
    leave_out=_leave_out,
    fixes=(speech_commands.use_class_list,),
    is_meant=speech_commands.has_own_folders,
    corpus=_told,
)

"""Speaker identification on VoxCeleb1."""

from __future__ import annotations

import importlib
import json
import os
import types
from argparse import Namespace
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks.accuracy import accuracy_task
from s3prl_upstreams.tasks.base import Config
from s3prl_upstreams.tasks.listing import Listing, keep_lines, lines
from s3prl_upstreams.user_cache import user_cache

PATHS = {"datarc.file_path": Path.is_dir, "datarc.meta_data": Path.is_file}
LISTED = "listed"
_SPLITS = {"train": "1", "dev": "2", "test": "3"}


def _speakers_of_voxceleb1(args: Namespace, expert: Config) -> None:
    """SID's 1251 classes are the numbers id10001 to id11251, which s3prl takes from the paths."""
    lists = expert["datarc"]["meta_data"]
    for number, line in enumerate(Path(lists).read_text(encoding="utf-8").splitlines(), start=1):
        speaker = line.split()[-1].partition("/")[0] if line.split() else ""
        if not (speaker.startswith("id") and speaker[2:].isdigit() and 10001 <= int(speaker[2:]) <= 11251):
            raise BudgetError(f"`{lists}`, line {number}: `{line}` has no speaker from id10001 to id11251")


def list_files_of_this_corpus(config: Config) -> None:
    """SID: the list of files, with absolute paths, is kept inside s3prl's package and used for every later corpus.

    It is a pickle there, and JSON here: whoever can write to it could run code.
    """
    datarc = config["downstream_expert"]["datarc"]
    dataset = importlib.import_module("s3prl.downstream.voxceleb1.dataset")
    root = os.fsencode(Path(datarc["file_path"]).resolve())
    dataset.CACHE_PATH = str(user_cache("corpora", root, Path(datarc["meta_data"]).read_bytes()))
    dataset.pickle = types.SimpleNamespace(load=_load, dump=_dump)


def _dump(files: list[str], cache: BinaryIO) -> None:
    cache.write(json.dumps(files).encode())


def _load(cache: BinaryIO) -> list[str]:
    try:
        files = json.loads(cache.read())
        if isinstance(files, list) and all(isinstance(name, str) for name in files):
            return files
    except (ValueError, RecursionError):
        pass
    raise BudgetError(f"`{cache.name}` is no list of files: delete it, and it is made again")


def has_own_speakers(expert: Config) -> bool:
    """Whether a run's speakers are those of its list, not VoxCeleb1's 1251."""
    return (expert.get("datarc") or {}).get("speakers") == LISTED


def use_speaker_list(config: Config) -> None:
    """SID: the number of speakers is a constant; with ``datarc.speakers: listed`` it is that of the list (speakers.yaml)."""
    data = importlib.import_module("s3prl.downstream.voxceleb1.dataset").SpeakerClassifiDataset
    if not hasattr(data, "listed_speakers"):
        original = data.__init__

        def with_number(self: Any, *args: Any, **settings: Any) -> None:
            original(self, *args, **settings)
            self.speaker_num = data.listed_speakers or self.speaker_num

        data.__init__ = with_number
    expert = config["downstream_expert"]
    data.listed_speakers = None
    if has_own_speakers(expert):
        listed = lines(Path(expert["datarc"]["meta_data"]))
        data.listed_speakers = max(int(line.split()[1].partition("/")[0][2:]) for line in listed) - 10_000


def lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """s3prl looks for a recording in every folder */wav."""
    table = Path(expert["datarc"]["meta_data"])
    rows = [line.split() for line in lines(table)]
    for number in (_SPLITS[split] for split in splits if split in _SPLITS):
        yield Listing(table, _folders(expert), tuple(path for index, path in rows if index == number))


def _folders(expert: Config) -> list[Path]:
    root = Path(expert["datarc"]["file_path"])
    return sorted(root.glob("*/wav")) or [root / "dev" / "wav"]


def leave_out(expert: Config, folder: Path) -> None:
    table, folders = Path(expert["datarc"]["meta_data"]), _folders(expert)
    kept = keep_lines(table, folder / table.name, lambda line: any((place / line.split()[1]).is_file() for place in folders))
    expert["datarc"]["meta_data"] = str(kept)


TASK = accuracy_task(
    "sid",
    "Speaker identification",
    "voxceleb1",
    "SID_ACC",
    ("VOXCELEB1", "SUPERB"),
    paths=PATHS,
    checks=(_speakers_of_voxceleb1,),
    lists=lists,
    leave_out=leave_out,
    fixes=(list_files_of_this_corpus, use_speaker_list),
    is_meant=lambda expert: not has_own_speakers(expert),
    seconds=4.0,
)

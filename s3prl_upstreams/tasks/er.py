"""Emotion recognition on IEMOCAP."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from s3prl_upstreams.tasks.accuracy import accuracy_task
from s3prl_upstreams.tasks.base import Config
from s3prl_upstreams.tasks.listing import Listing, write

_FOLDS = {f"fold{k}": f"config.downstream_expert.datarc.test_fold='fold{k}'" for k in range(1, 6)}


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """Both lists of the fold, all of whose recordings s3prl reads at once, whatever it evaluates."""
    lists = _tables(expert)
    yield Listing("the fold", (Path(expert["datarc"]["meta_data"]),), lists, needed=True)
    for table in (Path(expert["datarc"]["meta_data"], name) for name in lists):
        items = json.loads(table.read_text(encoding="utf-8"))["meta_data"] if table.is_file() else ()
        yield Listing(table, (Path(expert["datarc"]["root"]),), tuple(item["path"] for item in items))


def _tables(expert: Config) -> tuple[str, ...]:
    session = f"Session{expert['datarc']['test_fold'].removeprefix('fold')}"
    return tuple(f"{session}/{part}_meta_data.json" for part in ("train", "test"))


def _leave_out(expert: Config, folder: Path) -> None:
    datarc = expert["datarc"]
    for name in _tables(expert):
        content = json.loads(Path(datarc["meta_data"], name).read_text(encoding="utf-8"))
        content["meta_data"] = [item for item in content["meta_data"] if Path(datarc["root"], item["path"]).is_file()]
        write(folder / name, json.dumps(content))
    datarc["meta_data"] = str(folder)


TASK = accuracy_task(
    "er",
    "Emotion recognition",
    "emotion",
    "ER_ACC",
    ("IEMOCAP", "SUPERB"),
    variants=_FOLDS,
    paths={"datarc.root": Path.is_dir, "datarc.meta_data": Path.is_dir},
    lists=_lists,
    leave_out=_leave_out,
    seconds=4.0,
)

"""Intent classification on Fluent Speech Commands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from s3prl_upstreams.tasks.accuracy import accuracy_task
from s3prl_upstreams.tasks.base import Config
from s3prl_upstreams.tasks.listing import Listing, column, keep_rows, mirror

_TABLES = {"train": "data/train_data.csv", "dev": "data/valid_data.csv", "test": "data/test_data.csv"}


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The three tables, all of which s3prl reads, and the recordings of those that are used."""
    root = Path(expert["datarc"]["file_path"])
    yield Listing("the corpus", (root,), tuple(_TABLES.values()), needed=True)
    for table in (root / _TABLES[split] for split in splits if split in _TABLES):
        yield Listing(table, (root,), tuple(column(table, "path")))


def _leave_out(expert: Config, folder: Path) -> None:
    root = Path(expert["datarc"]["file_path"])
    mirror(root, folder, but=("data",))
    for table in _TABLES.values():
        keep_rows(root / table, folder / table, "path", lambda name: (root / name).is_file())
    expert["datarc"]["file_path"] = str(folder)


TASK = accuracy_task(
    "ic",
    "Intent classification",
    "fluent_commands",
    "IC_ACC",
    ("FLUENT_COMMANDS",),
    paths={"datarc.file_path": Path.is_dir},
    lists=_lists,
    leave_out=_leave_out,
    seconds=2.0,
)

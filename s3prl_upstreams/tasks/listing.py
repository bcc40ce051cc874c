"""What the lists of a task name, and lists without what isn't there."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic


@dataclass(frozen=True)
class Listing:
    """What one list names: each of `names` is a file or a folder in one of `folders`.

    `source` is the list, or says whose it is.  `needed`: without one of them s3prl can't go on.  `among`, if given, is what
    another list names, the one file in `folders`: there the names must be, and not on the disk.
    """

    source: Path | str
    folders: Sequence[Path]
    names: Sequence[str]
    needed: bool = False
    among: frozenset[str] | None = None

    @cached_property
    def missing(self) -> list[str]:
        """The names of what is in none of the folders, in order."""
        return [name for name in self.names if not self.has(name)]

    def has(self, name: str) -> bool:
        """Whether it is in one of the folders, or in the other list."""
        if self.among is not None:
            return name in self.among
        return any((folder / name).exists() for folder in self.folders)

    def elsewhere(self) -> tuple[Path, Path] | None:
        """(what lies elsewhere, where it was expected), if everything is missing because the paths are of another layout.

        Looks for the first name one and two folders deeper, one folder higher, and without its own first folders.
        """
        if (
            self.among is not None
            or not self.names
            or len(self.missing) < len(self.names)
            or Path(self.names[0]).is_absolute()
        ):
            return None
        for folder in self.folders:
            first = Path(self.names[0])
            while not folder.exists():  # such as dev/wav, where the corpus itself is deeper
                folder, first = folder.parent, folder.name / first
            shorter = (folder.joinpath(*first.parts[count:]) for count in range(1, len(first.parts)))
            deeper = (place / first for depth in ("*", "*/*") for place in sorted(folder.glob(depth)))
            for candidate in (folder.parent / first, *shorter, *deeper):
                if candidate.exists():
                    return candidate, folder / first
        return None


def lines(path: Path) -> list[str]:
    """The lines of a list that aren't blank; none for a list that isn't there, which is missing itself."""
    if not path.is_file():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def column(path: Path, name: str) -> list[str]:
    """A column of a CSV file with a header; BudgetError if there is no such column."""
    reader = csv.DictReader(lines(path))
    if reader.fieldnames is not None and name not in reader.fieldnames:
        raise BudgetError(f"`{path}` has no column `{name}`: make it again, or get it again")
    return [row[name] for row in reader]


def keep_lines(source: Path, target: Path, is_kept: Callable[[str], bool]) -> Path:
    """Write the lines of a list that are kept; returns `target`."""
    return write(target, "".join(f"{line}\n" for line in lines(source) if is_kept(line)))


def keep_rows(source: Path, target: Path, name: str, is_kept: Callable[[str], bool]) -> Path:
    """Write the header of a CSV file, and the rows that are kept by what is in the column `name`; returns `target`."""
    reader = csv.DictReader(lines(source))
    table = io.StringIO()
    writer = csv.DictWriter(table, reader.fieldnames or (), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in reader if is_kept(row[name]))
    return write(target, table.getvalue())


def write(path: Path, text: str) -> Path:
    """Write a file, all or nothing, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def mirror(source: Path, target: Path, but: Iterable[str] = ()) -> None:
    """Make `target` a folder of links to all that is in `source`, broken links and `but` left out."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        link = target / entry.name
        if entry.exists() and entry.name not in but and not link.is_symlink():
            link.symlink_to(entry.resolve())

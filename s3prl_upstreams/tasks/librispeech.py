"""LibriSpeech's own lists, for PR and ASR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from s3prl_upstreams.tasks.listing import Listing, lines

SPEAKERS = "SPEAKERS.TXT"


def speakers(root: Path, parts: Sequence[str]) -> Iterator[Listing]:
    """The folders of the parts, and those of their speakers where the corpus has its list of them.

    Its lines are `ID | SEX | SUBSET | MINUTES | NAME`, comments begin with a semicolon.
    """
    yield Listing("the recipe", (root,), tuple(parts), needed=True)
    table = root / SPEAKERS
    rows = [[field.strip() for field in line.split("|")] for line in lines(table) if not line.startswith(";")]
    named = (f"{row[2]}/{row[0]}" for row in rows if len(row) > 2 and row[2] in parts)
    yield Listing(table, (root,), tuple(named))


def transcribed(root: Path, part: str) -> Listing:
    """The recordings of a part that its transcripts name."""
    names = []
    for table in sorted((root / part).glob("*/*/*.trans.txt")):
        chapter = table.parent.relative_to(root)
        names += [f"{chapter}/{line.split()[0]}.flac" for line in lines(table)]
    return Listing(root / part / "*" / "*" / "*.trans.txt", (root,), tuple(names))

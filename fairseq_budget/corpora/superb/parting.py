"""Recordings of one's own divided into a training, a development and a test part: always the same way, by SHA-1 of names."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairseq_budget.errors import BudgetError

PARTS = ("train", "dev", "test")
_SHARE = 0.1
"""Of the groups of recordings, for development and again for test; at least one for each."""
_SPEAKER = re.compile(r"(.+)_nohash_|([^-_]+)[-_]")
"""Speech Commands' SPEAKER_nohash_N, or whatever stands before the first hyphen or underscore."""
_FEWEST_SPEAKERS = 3


@dataclass(frozen=True)
class Recording:
    """A file of a class, named below the class's folder."""

    label: str
    name: str

    @property
    def stem(self) -> str:
        """The file's name without folders and ending."""
        return self.name.rpartition("/")[2].rpartition(".")[0]


@dataclass(frozen=True)
class Parting:
    """Which part each recording is in, and by what they were kept together: ``speaker``, ``folder`` or ``file``."""

    by: str
    part: Mapping[Recording, str]


def by_speaker_or_file(recordings: Sequence[Recording]) -> Parting:
    """No speaker in two parts, if the names of files tell who speaks; else every class's files by themselves.

    Names tell it where three speakers or more say most of the classes each, on average, and every class has a speaker to
    train on.
    """
    speakers = {recording: _speaker(recording) for recording in recordings}
    spoken: dict[str, set[str]] = defaultdict(set)
    for recording, speaker in speakers.items():
        spoken[speaker or ""].add(recording.label)
    labels = {recording.label for recording in recordings}
    each = sum(map(len, spoken.values())) / max(1, len(spoken))
    if None not in speakers.values() and len(spoken) >= _FEWEST_SPEAKERS and 2 * each >= len(labels) > 1:
        parts = _divided(spoken)
        found = {recording: parts[speaker or ""] for recording, speaker in speakers.items()}
        if {recording.label for recording, part in found.items() if part == "train"} == labels:
            return Parting("speaker", found)
    return Parting("file", _within_classes(recordings, lambda recording: recording.name))


def by_folder_or_file(recordings: Sequence[Recording]) -> Parting:
    """No folder of a class (a session, a video) in two parts, if every class has three; else its files by themselves."""
    folders: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        folders[recording.label].add(recording.name.partition("/")[0] if "/" in recording.name else "")
    if all(len(found) >= len(PARTS) for found in folders.values()):
        return Parting("folder", _within_classes(recordings, lambda recording: recording.name.partition("/")[0]))
    return Parting("file", _within_classes(recordings, lambda recording: recording.name))


def sentence(summary: dict[str, Any]) -> str:
    """What a record tells of such a corpus, in words."""
    files = ", ".join(f"{number:,} for {part}" for part, number in summary["files"].items())
    return f"{summary['classes']:,} folders of `{summary['root']}`, {files}, parted by {summary['parted_by']}"


def _speaker(recording: Recording) -> str | None:
    found = _SPEAKER.match(recording.stem)
    return next(filter(None, found.groups())) if found else None


def _within_classes(recordings: Iterable[Recording], group: Callable[[Recording], str]) -> dict[Recording, str]:
    of_class: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        of_class[recording.label].append(recording)
    small = [label for label, members in of_class.items() if len({group(member) for member in members}) < len(PARTS)]
    if small:
        raise BudgetError(
            f"{len(small)} of {len(of_class)} folders, such as `{small[0]}`, have fewer than {len(PARTS)} recordings, and "
            "training, development and test take one each: add some, or take these folders out"
        )
    found: dict[Recording, str] = {}
    for label, members in of_class.items():
        parts = _divided({group(member) for member in members}, salt=label)
        found |= {member: parts[group(member)] for member in members}
    return found


def _divided(groups: Collection[str], salt: str = "") -> dict[str, str]:
    """The part of each group: in the order of their hashes, the first for test, the next for development."""
    order = sorted(groups, key=lambda name: (hashlib.sha1(f"{salt}/{name}".encode()).digest(), name))
    held_out = max(1, round(_SHARE * len(order)))
    return {name: ("test", "dev", "train")[min(place // held_out, 2)] for place, name in enumerate(order)}

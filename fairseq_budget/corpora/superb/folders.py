"""A corpus of one's own, a folder for each word or each speaker, as the heads of KS and SID read it.

    OUT/keywords/train/WORD/KEY_nohash_N.wav           training and development, which s3prl tells apart by a hash of KEY
    OUT/keywords/test/WORD/KEY_nohash_N.wav
    OUT/speakers/audio/wav/id10001/1/00001-NAME.wav    VoxCeleb1's layout, with its list veri_test_class.txt
    OUT/TASK/files.tsv                                 part, place here, class and file of every recording
    OUT/TASK/corpus.json                               what a record tells of the corpus

Recordings are links to the user's; for SID, which takes a file as it is, what isn't one channel at 16 kHz is converted.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import soundfile

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.corpora.superb.librispeech import write_text
from fairseq_budget.corpora.superb.parting import PARTS, Parting, Recording, by_folder_or_file, by_speaker_or_file, sentence
from fairseq_budget.data import audio
from fairseq_budget.data.scan import scan
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.keywords import official_part

FILES, TOLD = "files.tsv", "corpus.json"
CLASSES_OF_SID = "veri_test_class.txt"
_FIRST_SPEAKER = 10_001
_OFFICIAL = {"train": "training", "dev": "validation"}
_LONGEST_KEY = 80

Place = tuple[Recording, str, str]
"""A recording, its part, and where it goes, below the folder that is made"""


def keywords(root: Path, out: Path, own_lists: bool) -> list[str]:
    """Folders of words, for the head of KS."""
    return _make(root, out, by_speaker_or_file, _words, _link)


def speakers(root: Path, out: Path, own_lists: bool) -> list[str]:
    """Folders of speakers, for the head of SID."""
    return _make(root, out, by_folder_or_file, _voxceleb, _one_channel)


def told(folder: Path) -> dict[str, Any]:
    """What was written about a corpus in a prepared folder; BudgetError if there is nothing."""
    try:
        return json.loads((folder / TOLD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BudgetError(f"`{folder / TOLD}` can't be read ({error}): prepare the folder again") from error


def _make(
    root: Path,
    out: Path,
    part: Callable[[Sequence[Recording]], Parting],
    lay_out: Callable[[Sequence[tuple[Recording, str]]], Iterator[Place]],
    put: Callable[[Path, Path], None],
) -> list[str]:
    """Make `out` anew, unless it was made of the same recordings; it appears when it is whole."""
    recordings = _recordings(root)
    parting = part(recordings)
    places = list(lay_out([(recording, parting.part[recording]) for recording in recordings]))
    table = "".join(f"{part}\t{place}\t{one.label}\t{one.name}\n" for one, part, place in places)
    counts = Counter(parting.part.values())
    summary = {
        "root": str(root),
        "classes": len({recording.label for recording in recordings}),
        "parted_by": parting.by,
        "files": {name: counts[name] for name in PARTS},
        "digest": hashlib.sha256(f"{root}\n{table}".encode()).hexdigest(),
    }
    if not (out / TOLD).is_file() or told(out) != summary:
        partial = out.with_name(f".{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for recording, _, place in places:
            (partial / place).parent.mkdir(parents=True, exist_ok=True)
            put(root / recording.label / recording.name, partial / place)
        _write(partial, places, table, summary)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    return [f"{out}: {sentence(summary)}"]


def _write(folder: Path, places: Sequence[Place], table: str, summary: dict[str, Any]) -> None:
    write_text(folder / FILES, table)
    if places[0][2].startswith("audio/"):
        numbers = {part: number for number, part in enumerate(PARTS, start=1)}
        lines = (f"{numbers[part]} {place.removeprefix('audio/wav/')}\n" for _, part, place in places)
        write_text(folder / CLASSES_OF_SID, "".join(lines))
    write_text(folder / TOLD, json.dumps(summary, indent=1) + "\n")


def _recordings(root: Path) -> list[Recording]:
    """All audio in the folders of `root`, those apart whose name begins with an underscore (``_background_noise_``).

    Raises:
        BudgetError: fewer than two folders hold audio, or a file can't be read.
    """
    manifest = scan(root, remedy="take them out of the folder")
    names = (manifest.parts(index)[0].name.partition("/") for index in range(len(manifest)))
    found = [Recording(label, name) for label, slash, name in names if slash and not label.startswith("_")]
    if len({recording.label for recording in found}) < 2:
        raise BudgetError(f"`{root}` must hold two folders of recordings or more, one for each class: name another folder")
    return found


def _words(recordings: Sequence[tuple[Recording, str]]) -> Iterator[Place]:
    """Names whose hash puts them into the wanted part by Speech Commands' own rule, which s3prl goes by."""
    for number, (recording, part) in enumerate(recordings):
        key = _plain(recording.stem).replace("_nohash_", "_")
        if part in _OFFICIAL:
            key = next(name for salt in count() if official_part(name := f"{key}.{salt}") == _OFFICIAL[part])
        folder = "test" if part == "test" else "train"
        yield recording, part, f"{folder}/{recording.label}/{key}_nohash_{number}.wav"


def _voxceleb(recordings: Sequence[tuple[Recording, str]]) -> Iterator[Place]:
    labels = sorted({recording.label for recording, _ in recordings})
    speaker = {label: f"id{number}" for number, label in enumerate(labels, start=_FIRST_SPEAKER)}
    for number, (recording, part) in enumerate(recordings, start=1):
        yield recording, part, f"audio/wav/{speaker[recording.label]}/1/{number:05d}-{_plain(recording.stem)}.wav"


def _plain(stem: str) -> str:
    """As much of a name as tells a reader which file it is, without blanks, which end a name in s3prl's lists."""
    return re.sub(r"[^\w.-]+", "_", stem)[:_LONGEST_KEY]


def _link(source: Path, target: Path) -> None:
    target.symlink_to(source)


def _one_channel(source: Path, target: Path) -> None:
    """A link, or a copy of one channel at 16 kHz, float32."""
    header = audio.info(source)
    if header.rate == SAMPLE_RATE and header.channels == 1:
        _link(source, target)
    else:
        soundfile.write(target, audio.read(header), SAMPLE_RATE, subtype="FLOAT")

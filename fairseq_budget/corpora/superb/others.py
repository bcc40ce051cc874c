"""KS, IC, SF and QbE, whose corpora have nearly everything: what is missing is said before hours are spent."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fairseq_budget.corpora.superb.librispeech import write_text
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.keywords import KEYWORDS
from fairseq_budget.synthetic.superb.speech_commands import WORDS

SLOTS = ("action", "object", "location")
CHARACTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
"""Of s3prl's character.txt, in its order."""


def keywords(root: Path, out: Path, own_lists: bool) -> list[str]:
    """KS: train/ and test/ of v0.01 with the twelve classes; nothing to write."""
    wanted = [root / "train" / name for name in (*KEYWORDS, "_background_noise_")]
    wanted += [root / "test" / name for name in (*KEYWORDS, "_unknown_", "_silence_")]
    missing = next((folder for folder in wanted if not any(folder.glob("*.wav"))), None)
    if missing is not None:
        raise BudgetError(f"`{missing}` has no recordings: unpack speech_commands_v0.01 to train/ and its test set to test/")
    return [f"{root}: complete, nothing to write; set SPEECH_COMMANDS to it"]


def all_words(root: Path, out: Path, own_lists: bool) -> list[str]:
    """KS with 35 words: train/ of links to the words of v0.02, and test/ of links to the files of its testing_list.txt.

    Or with the words of another corpus of this layout.
    """
    listed = root / "testing_list.txt"
    if not listed.is_file():
        raise BudgetError(
            f"`{root}` lacks `{listed.name}`: unpack speech_commands_v0.02.tar.gz from http://download.tensorflow.org/data/ "
            "or, for folders of words without such lists, use `fairseq-budget superb --task keywords`"
        )
    words = sorted(place.name for place in root.iterdir() if place.is_dir() and not place.name.startswith(("_", ".")))
    for word in words:
        _link(root / word, out / "train" / word)
    names = listed.read_text(encoding="utf-8").split()
    for name in names:
        _link(root / name, out / "test" / name)
    other = "" if set(words) == set(WORDS) else " (not those of v0.02)"
    return [f"{out / 'train'}: {len(words)} words{other}", f"{out / 'test'}: {len(names)} recordings"]


def intents(root: Path, out: Path, own_lists: bool) -> list[str]:
    """IC: the three tables; nothing to write."""
    seen = {slot: set[str]() for slot in SLOTS}
    counts = []
    for part in ("train", "valid", "test"):
        table = root / "data" / f"{part}_data.csv"
        for number, row in enumerate(_rows(table), start=2):
            for slot in SLOTS:
                if part == "train":
                    seen[slot].add(row[slot])
                elif row[slot] not in seen[slot]:
                    raise BudgetError(f"`{table}`, line {number}: `{row[slot]}` is no {slot} of the training data")
            if not (root / row["path"]).is_file():
                raise BudgetError(f"no recording `{root / row['path']}`, which `{table}` has: unpack the corpus again")
        counts.append(f"{number - 1} {part}")
    return [f"{root}: complete ({', '.join(counts)}), nothing to write; set FLUENT_COMMANDS to it"]


def slots(root: Path, out: Path, own_lists: bool) -> list[str]:
    """SF: the characters, and the slots: from slots.txt, or counted in the texts where the corpus has none."""
    texts = root / "all.iob.snips.txt"
    if not texts.is_file():
        raise BudgetError(
            f"no file `{texts}`: get the preprocessed Audio SNIPS from "
            "https://drive.google.com/file/d/1oBRZd-PaCKz5iY3eZkXs5OB_ZZ4w7bbG and give its folder SNIPS"
        )
    write_text(out / "character.txt", "\n".join(CHARACTERS))
    listed = root / "slots.txt"
    counts = Counter(
        tag for line in texts.read_text(encoding="utf-8").splitlines() for tag in line.split("\t")[1].split()[1:-1]
    )
    used = [tag for tag, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if tag != "O"]
    names = listed.read_text(encoding="utf-8").split()[1:] if listed.is_file() else used
    unknown = sorted(set(used) - set(names))
    if unknown:
        raise BudgetError(
            f"`{listed}` lacks the slot `{unknown[0]}`, which `{texts.name}` has: remove the file to have it made"
        )
    # s3prl skips the first line, and would take an empty last one for a slot
    write_text(out / "slots.txt", "\n".join(["O", *names]))
    return [f"{out / 'character.txt'}: {len(CHARACTERS)} characters", f"{out / 'slots.txt'}: {len(names)} slots"]


def queries(root: Path, out: Path, own_lists: bool) -> list[str]:
    """QbE: lists, recordings and ground truth of QUESST; nothing to write."""
    counts = []
    for name in ("utterances", "dev", "eval"):
        listed = root / "scoring" / f"language_key_{name}.lst"
        if not listed.is_file():
            raise BudgetError(f"no file `{listed}`: unpack https://speech.fit.vutbr.cz/files/quesst14Database.tgz")
        fields = [line.split() for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()]
        english = [path.partition("/")[2] for path, language in fields if language == "nnenglish"]
        missing = next((path for path in english if not (root / path).is_file()), None)
        if missing is not None:
            raise BudgetError(f"no recording `{root / missing}`, which `{listed.name}` has: unpack the corpus again")
        counts.append(f"{len(english)} English {name}")
    return [f"{root}: complete ({', '.join(counts)}), nothing to write; set QUESST14 to it"]


def _rows(table: Path) -> Iterator[dict[str, str]]:
    if not table.is_file():
        raise BudgetError(f"no file `{table}`: give the folder of Fluent Speech Commands that holds data/ and wavs/")
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        lacking = {"path", *SLOTS} - set(reader.fieldnames or ())
        if lacking:
            raise BudgetError(f"`{table}` has no column `{min(lacking)}`: is it Fluent Speech Commands'?")
        yield from reader


def _link(target: Path, link: Path) -> None:
    """A symbolic link, replaced if it's there."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)

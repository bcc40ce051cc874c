"""A small corpus without a fault, and many ways to break it, each with the line that `check` prints about it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from fairseq_budget.data.labels import write_dictionary, write_labels
from fairseq_budget.data.scan import scan

RATE = 16000
SECONDS = 3
CLUSTERS = 10
FILES = {
    "train": ("1/1/1-1-0000", "1/1/1-1-0001", "2/1/2-1-0000", "2/1/2-1-0001"),
    "valid": ("3/1/3-1-0000", "3/1/3-1-0001"),
}


def speech(seed: int, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Noise of amplitude 0.3; shape (samples,)."""
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * rate))


def make_corpus(folder: Path) -> None:
    """`folder`/audio, manifests, labels at 100 Hz and their record: nothing is wrong with any of it."""
    seed = 0
    for split, files in FILES.items():
        for name in files:
            path = folder / "audio" / split / f"{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, speech(seed), RATE)
            seed += 1
        scan(folder / "audio" / split).write(folder / f"{split}.tsv")
        lines = [np.arange(seed, seed + 298) % CLUSTERS for _ in files]
        write_labels(folder / f"{split}.km", lines)
    write_dictionary(folder / "dict.km.txt", CLUSTERS)
    splits = {split: {"codebook": "c", "text_sha256": _sha256(folder / f"{split}.km"), "manifest": "m"} for split in FILES}
    record = {
        "label_rate": 100,
        "clusters": CLUSTERS,
        "fit_split": "train",
        "manifests": {},
        "kmeans": {"centres_sha256": "c"},
        "splits": splits,
    }
    (folder / "labels.json").write_text(json.dumps(record))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def first(folder: Path) -> Path:
    """The audio of the first row of train.tsv."""
    return folder / "audio/train/1/1/1-1-0000.flac"


def overwrite(wave: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Callable[[Path], None]:
    """Other samples in the first file.  FLAC has no floats: those are written as a WAV of the same name."""
    container = "FLAC" if subtype == "PCM_16" else "WAV"
    return lambda folder: soundfile.write(first(folder), wave, rate, subtype=subtype, format=container)


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: _edit(folder / name, change)


def _edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def lines(change: Callable[[list[str]], list[str]], name: str = "train.tsv") -> Callable[[Path], None]:
    return edit(name, lambda text: "\n".join(change(text.splitlines())) + "\n")


def labels(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Change the lines of train.km, and the record with it."""

    def break_it(folder: Path) -> None:
        lines(change, "train.km")(folder)
        record = json.loads((folder / "labels.json").read_text())
        record["splits"]["train"]["text_sha256"] = _sha256(folder / "train.km")
        (folder / "labels.json").write_text(json.dumps(record))

    return break_it


def record(**changes: object) -> Callable[[Path], None]:
    return edit("labels.json", lambda text: json.dumps(json.loads(text) | changes))


def nan(value: float) -> Callable[[Path], None]:
    wave = speech(0)
    wave[777] = value
    return overwrite(wave, subtype="FLOAT")


def cut_in_half(folder: Path) -> None:
    first(folder).write_bytes(first(folder).read_bytes()[: first(folder).stat().st_size // 2])


def one_wrong_byte(folder: Path) -> None:
    data = bytearray(first(folder).read_bytes())
    data[len(data) // 2] ^= 0xFF
    first(folder).write_bytes(data)


def without_length(folder: Path) -> None:
    """A FLAC stream whose encoder was interrupted: the header says 0 samples."""
    data = bytearray(first(folder).read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    first(folder).write_bytes(data)


def into_folder(folder: Path) -> None:
    first(folder).unlink()
    first(folder).mkdir()


def copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / target).write_bytes((folder / source).read_bytes()) and None


def other_codec(folder: Path) -> None:
    """The same samples as WAV under a name of their own, listed as the second row."""
    wave, rate = soundfile.read(first(folder), dtype="int16")
    soundfile.write(folder / "audio/train/1/1/1-1-0001.flac", wave, rate, format="WAV", subtype="PCM_16")


def same_speaker(folder: Path) -> None:
    (folder / "audio/valid/2/7").mkdir(parents=True)
    os.rename(folder / "audio/valid/3/1/3-1-0001.flac", folder / "audio/valid/2/7/2-7-0000.flac")
    lines(lambda rows: [row.replace("3/1/3-1-0001", "2/7/2-7-0000") for row in rows], "valid.tsv")(folder)


def no_root(folder: Path) -> None:
    os.rename(folder / "audio/train", folder / "audio/moved")


class Broken(NamedTuple):
    """How to break it, the kind that must be found, and the line that must be printed (a regular expression)."""

    name: str
    break_it: Callable[[Path], None]
    kind: str
    line: str


ROW = r"train\.tsv, line 2: 1/1/1-1-0000\.flac"
FULL_SCALE_TONE = np.clip(3 * np.sin(np.arange(SECONDS * RATE)), -1, 1)

CASES = [
    Broken("file deleted", lambda folder: first(folder).unlink(), "missing", rf"{ROW}$"),
    Broken("file of 0 bytes", lambda folder: first(folder).write_bytes(b""), "unreadable", rf"{ROW}: is an empty file"),
    Broken(
        "text called .flac", lambda folder: first(folder).write_text("x" * 999), "unreadable", rf"{ROW}: cannot be read as"
    ),
    Broken("folder called .flac", into_folder, "unreadable", rf"{ROW}: is a folder, not an audio file"),
    Broken(
        "header without samples", overwrite(np.zeros(0), subtype="FLOAT"), "unreadable", rf"{ROW}: holds no audio samples"
    ),
    Broken("stream without a length", without_length, "unreadable", rf"{ROW}: does not say how long it is"),
    Broken("file cut in half", cut_in_half, "unreadable", rf"{ROW}: (is damaged|cannot be read)"),
    Broken("one wrong byte", one_wrong_byte, "unreadable", rf"{ROW}: (is damaged|cannot be read)"),
    Broken("a NaN", nan(np.nan), "nan", rf"{ROW}: holds NaN or infinite samples"),
    Broken("an infinite sample", nan(-np.inf), "nan", rf"{ROW}: holds NaN or infinite samples"),
    Broken(
        "row too long", lines(lambda rows: [rows[0], rows[1] + "0", *rows[2:]]), "length", rf"{ROW}: 48,000 .* says 480,000"
    ),
    Broken(
        "row too short", lines(lambda rows: [rows[0], rows[1][:-1], *rows[2:]]), "length", rf"{ROW}: 48,000 .* says 4,800"
    ),
    Broken(
        "slice beyond the end",
        lines(lambda rows: [rows[0], rows[1].replace("\t", "\t1\t"), *rows[2:]]),
        "length",
        rf"{ROW}: 48,000 .* goes on to 48,001",
    ),
    Broken("zeros", overwrite(np.zeros(SECONDS * RATE)), "silence", rf"{ROW}: level -200 dB"),
    Broken("a constant", overwrite(np.full(SECONDS * RATE, 0.5)), "silence", rf"{ROW}: level -200 dB"),
    Broken("noise at -66 dB", overwrite(speech(0) / 350), "silence", rf"{ROW}: level -66 dB"),
    Broken("clipped", overwrite(FULL_SCALE_TONE), "clipping", rf"{ROW}: 78\.\d% of the samples are at full scale"),
    Broken("22.05 kHz", overwrite(speech(0, rate=22050), 22050), "rate", rf"{ROW}: 22050 Hz"),
    Broken("stereo", overwrite(np.stack([speech(0), speech(9)], 1)), "channels", rf"{ROW}: 2 channels"),
    Broken(
        "file copied",
        copy("audio/train/1/1/1-1-0000.flac", "audio/train/1/1/1-1-0001.flac"),
        "duplicate",
        r"train\.tsv, line 3: 1/1/1-1-0001\.flac: the same as train\.tsv, line 2: 1/1/1-1-0000\.flac",
    ),
    Broken(
        "copied in another codec", other_codec, "duplicate", r"line 3: 1/1/1-1-0001\.flac: the same as train\.tsv, line 2"
    ),
    Broken(
        "row listed twice",
        lines(lambda rows: [*rows[:2], rows[1], *rows[3:]]),
        "duplicate",
        r"train\.tsv, line 3: 1/1/1-1-0000\.flac: the same as train\.tsv, line 2",
    ),
    Broken(
        "file copied into valid",
        copy("audio/train/1/1/1-1-0000.flac", "audio/valid/3/1/3-1-0000.flac"),
        "leak",
        rf"{ROW}: the same as valid\.tsv, line 2: 3/1/3-1-0000\.flac",
    ),
    Broken("speaker in both", same_speaker, "speakers", r"valid: 1 of 2 also in train: 2"),
    Broken(
        "no manifest", lambda folder: (folder / "valid.tsv").unlink(), "manifest", r"valid: manifest `.*` cannot be read"
    ),
    Broken("empty manifest", edit("valid.tsv", lambda _: ""), "manifest", r"valid: manifest `.*valid\.tsv` is empty"),
    Broken("manifest of no rows", lines(lambda rows: rows[:1]), "manifest", r"train: manifest `.*` lists no utterance"),
    Broken("folder moved", no_root, "manifest", r"train: `.*train\.tsv`, line 1: folder `.*train` does not exist"),
    Broken(
        "row without samples",
        lines(lambda rows: [*rows[:2], rows[2].split("\t")[0], *rows[3:]]),
        "manifest",
        r"train: `.*train\.tsv`, line 3: expected `path<TAB>samples`",
    ),
    Broken(
        "no label file", lambda folder: (folder / "valid.km").unlink(), "label_file", r"valid: valid\.km is missing or empty"
    ),
    Broken(
        "label line lost",
        labels(lambda rows: rows[1:]),
        "label_file",
        r"train: train\.km has 3 lines, train\.tsv has 4 rows",
    ),
    Broken("label line empty", labels(lambda rows: ["", *rows[1:]]), "label_empty", rf"{ROW}: train\.km, line 1: no labels"),
    Broken(
        "words for labels", labels(lambda rows: ["A B", *rows[1:]]), "label_text", rf"{ROW}: train\.km, line 1: found `AB`"
    ),
    Broken(
        "unknown label",
        labels(lambda rows: [rows[0] + " 10", *rows[1:]]),
        "label_unknown",
        rf"{ROW}: train\.km, line 1: 1 of 299, such as 10; the dictionary has 0 to 9",
    ),
    Broken(
        "labels too short",
        labels(lambda rows: [rows[0][:400], *rows[1:]]),
        "label_length",
        rf"{ROW}: 2\.00 s of labels for 3\.00 s of audio",
    ),
    Broken(
        "wrong label rate",
        record(label_rate=50),
        "label_rate",
        r"train: 50 labels a second are expected, those of train fit 100",
    ),
    Broken(
        "labels of another corpus",
        labels(lambda rows: [row[:90] for row in rows]),
        "label_rate",
        r"train: 100 labels a second are expected, those of train fit none of the usual rates",
    ),
    Broken("no labels.json", lambda folder: (folder / "labels.json").unlink(), "label_origin", r"labels\.json isn't there"),
    Broken("broken labels.json", edit("labels.json", lambda text: text[:50]), "label_record", r"is not a record of labels"),
    Broken("no dictionary", lambda folder: (folder / "dict.km.txt").unlink(), "dictionary", r"dict\.km\.txt` is not there"),
    Broken("empty dictionary", edit("dict.km.txt", lambda _: ""), "dictionary", r"dict\.km\.txt` is empty"),
    Broken(
        "dictionary out of order", lines(lambda rows: rows[::-1], "dict.km.txt"), "dictionary", r"line 1: expected label `0`"
    ),
    Broken(
        "dictionary of another size",
        lines(lambda rows: [*rows, "10 1"], "dict.km.txt"),
        "dictionary",
        r"has 11 labels, labels\.json tells of 10",
    ),
    Broken(
        "labels of another codebook",
        edit("labels.json", lambda text: text.replace('"valid": {"codebook": "c"', '"valid": {"codebook": "d"')),
        "codebook",
        r"valid: .*the labels of `valid` come from another codebook than those of `train`",
    ),
    Broken(
        "labels replaced",
        lines(lambda rows: [rows[0][2:] + " 0", *rows[1:]], "train.km"),
        "codebook",
        r"train: .*changed or replaced",
    ),
    Broken(
        "label never used",
        labels(lambda rows: [row.replace("9", "8") for row in rows]),
        "dead",
        r"train: 1 of 10: 9",
    ),
    Broken(
        "one label everywhere",
        labels(
            lambda rows: [
                row.replace("4", "3").replace("5", "3").replace("6", "3").replace("7", "3").replace("8", "3") for row in rows
            ]
        ),
        "dominant",
        r"train: label 3 has 60% of the frames",
    ),
]

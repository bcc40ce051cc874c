"""Mandarin ASR's texts, characters and 16 kHz recordings, for Common Voice zh-CN.

As s3prl's common_voice_preprocess.py and downsample_cv.py have it, but for two things: recordings are resampled by soxr
instead of librosa's kaiser_best, and written with 16 bits.
"""

from __future__ import annotations

import csv
import re
import string
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import soundfile
import soxr

from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.librispeech import write_text
from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

PARTS = ("train", "dev", "test")

_MARKS = string.punctuation.replace("'", "") + "「」、⋯。《》丶–—―‘“”『』〜ー・☭«»،؛؟‐−¡¿ː\u0301·×\u0303\u030c─〈〉"
_NORMAL = str.maketrans(dict.fromkeys(_MARKS, " ") | {"’": "'", "ㄧ": "一"})
_FOREIGN = frozenset("ΜИТオカドヤ䴕")
"""Letters in the corpus that belong to no Mandarin text, and one character that is a mistake."""


def characters(root: Path, out: Path, own_lists: bool) -> list[str]:
    """Write PART.tsv (path and text, longest first), clips/*.wav, and the characters of the training texts."""
    texts = {part: list(_read(root / f"{part}.tsv")) for part in PARTS}
    audio = sorted({name for rows in texts.values() for name, _ in rows})
    with ThreadPoolExecutor() as pool:
        converted = pool.map(partial(_convert, root / "clips", out / "clips"), audio)
        samples = dict(zip(audio, tracked(converted, "converting", len(audio)), strict=True))
    report = [f"{out / 'clips'}: {len(audio)} recordings at {SAMPLE_RATE} Hz"]
    for part, rows in texts.items():
        ordered = sorted(rows, key=lambda row: (-samples[row[0]], row[0]))
        table = "".join(f"{Path(name).with_suffix('.wav')}\t{text}\n" for name, text in ordered)
        write_text(out / f"{part}.tsv", f"path\tsentence\n{table}")
        report.append(f"{out / part}.tsv: {len(rows)} sentences")
    known = "\n".join(sorted({character for _, text in texts["train"] for character in text}))
    official = public.blob_id(known.encode("utf-8")) == public.MANDARIN_CHARACTERS.blob
    if not official and not own_lists:
        raise BudgetError(
            f"`{root}` has other characters than Common Voice 7.0 zh-CN: get that version, or add `--own-lists` (results "
            "then can't be compared with published ones)"
        )
    write_text(out / "zh-CN_char.txt", known)
    return [*report, f"{out / 'zh-CN_char.txt'}: {known.count(chr(10)) + 1} characters"]


def normalise(text: str) -> str:
    """A sentence without marks and blanks; empty for one that the task leaves out, with Latin or other foreign letters."""
    text = re.sub(" +", "", unicodedata.normalize("NFKC", text).upper().translate(_NORMAL))
    latin = any((character.isascii() and character.isalpha()) or character == "'" for character in text)
    return "" if latin or _FOREIGN.intersection(text) else text.strip()


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """(name of the recording, normalised text) of the sentences that the task keeps."""
    if not path.is_file():
        raise BudgetError(
            f"no file `{path}`: give the folder zh-CN of Common Voice, from https://commonvoice.mozilla.org/datasets"
        )
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            text = normalise(row["sentence"])
            if text:
                yield row["path"], text


def _convert(source: Path, target: Path, name: str) -> int:
    """Write a recording as 16 kHz WAV, if it isn't there yet; returns its samples."""
    path = (target / name).with_suffix(".wav")
    if not path.exists():
        try:
            wave, rate = soundfile.read(source / name, dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            reason = getattr(error, "error_string", error)
            raise BudgetError(f"`{source / name}` can't be read ({reason}): unpack the corpus again") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as partial_file:
            resampled = soxr.resample(wave.mean(axis=1), rate, SAMPLE_RATE)
            soundfile.write(partial_file, resampled, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return soundfile.info(str(path)).frames

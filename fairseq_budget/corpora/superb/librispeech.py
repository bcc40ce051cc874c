"""PR's vocabulary and lexicon, and ASR's characters and lengths, for LibriSpeech."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.arpabet import PHONEMES, pronounce
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.synthetic.espeak import Voice
from fairseq_budget.synthetic.superb.studio import write_lines

NEEDED = ("train-clean-100", "dev-clean", "test-clean")
OPTIONAL = ("dev-other", "test-other")

CHARACTERS = "|ETAONIHSRDLUMCWFGYPBVK'XJQZ"
"""Of s3prl's char.dict, in its order (that of their frequency in LibriSpeech); ``|`` stands between words."""


def phonemes(root: Path, out: Path, own_lists: bool) -> list[str]:
    """PR: phoneme.txt and the two lexicons; with `own_lists` one of every word as eSpeak pronounces it, and an empty one."""
    words = sorted({word for part in NEEDED for _, said in transcripts(root / part) for word in said})
    write_text(out / "phoneme.txt", "\n".join(PHONEMES))
    report = [f"{out / 'phoneme.txt'}: {len(PHONEMES)} phonemes"]
    targets = [out / lexicon.name for lexicon in public.LEXICONS]
    if own_lists:
        pronounced = tracked((f"{word}\t{' '.join(pronounce(word, Voice()))}" for word in words), "pronouncing", len(words))
        write_lines(targets[0], pronounced)
        write_lines(targets[1], ())
        return [*report, f"{targets[0]}: {len(words)} words, as eSpeak pronounces them"]
    report += [f"{path}: {public.obtain(file, path)}" for file, path in zip(public.LEXICONS, targets, strict=True)]
    known = {line.split()[0] for path in targets for line in path.read_text(encoding="utf-8").splitlines() if line}
    unknown = [word for word in words if word not in known]
    if unknown:
        raise BudgetError(f"{len(unknown)} words of `{root}`, such as `{unknown[0]}`, are in no lexicon: add `--own-lists`")
    return report


def characters(root: Path, out: Path, own_lists: bool) -> list[str]:
    """ASR: char.dict, and for each part a table of its recordings and their lengths, longest first."""
    write_text(out / "char.dict", "\n".join(f"{symbol} 1" for symbol in CHARACTERS))
    report = [f"{out / 'char.dict'}: {len(CHARACTERS)} characters"]
    for part in (*NEEDED, *(part for part in OPTIONAL if (root / part).is_dir())):
        audio = [path for path, _ in transcripts(root / part)]
        with ThreadPoolExecutor() as pool:
            lengths = list(tracked(pool.map(_samples, audio), part, len(audio)))
        rows = sorted(
            zip(lengths, (str(path.relative_to(root)) for path in audio), strict=True), key=lambda r: (-r[0], r[1])
        )
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("", "file_path", "length", "label"))
        writer.writerows((number, path, length, "") for number, (length, path) in enumerate(rows))
        write_text(out / "len_for_bucket" / f"{part}.csv", table.getvalue())
        report.append(f"{out / 'len_for_bucket' / part}.csv: {len(rows)} recordings")
    return report


def transcripts(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The recordings in a part of LibriSpeech that have words, by name; BudgetError if there are none."""
    found = False
    for path in sorted(folder.glob("*/*/*.trans.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, *words = line.split()
            audio = path.with_name(f"{name}.flac")
            if audio.exists():
                found = True
                yield audio, words
    if not found:
        raise BudgetError(
            f"`{folder}` has no recordings SPEAKER/CHAPTER/*.flac with *.trans.txt: get it from openslr.org/12"
        )


def write_text(path: Path, text: str) -> None:
    """A text file, all or nothing, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _samples(path: Path) -> int:
    try:
        return soundfile.info(str(path)).frames
    except soundfile.SoundFileError as error:
        raise BudgetError(f"`{path}` can't be read ({getattr(error, 'error_string', error)}): copy it again") from error

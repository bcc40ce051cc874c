"""SD's Kaldi folders, for Libri2Mix: which mixtures there are, and who speaks when in each.

As s3prl/LibriMix's prepare_diarization.py makes them: in a mixture each source begins at the beginning, so that the segments
of speech of its two sources are its own.  wav.scp has absolute paths: prepare again after moving the corpus.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.librispeech import write_text
from fairseq_budget.corpora.superb.rttm import read_rttm
from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.errors import BudgetError

if TYPE_CHECKING:
    from pyannote.core import Annotation

SPLITS = {"train": "train-100", "dev": "dev", "test": "test"}
"""SD's splits: their names in Libri2Mix."""

_INSIDE = "wav16k/max/"


def diarization(root: Path, out: Path, own_lists: bool) -> list[str]:
    """Write wav.scp, segments, utt2spk, spk2utt, reco2dur and rttm for each split.

    The segments of LibriSpeech's recordings come from s3prl/LibriMix, or with `own_lists` from the corpus's folder rttm.
    """
    report = []
    for split, name in SPLITS.items():
        file = public.SPEECH_SEGMENTS[split]
        if own_lists:
            source, came = root / "rttm" / file.name, "the corpus's own"
        else:
            source = out / "librispeech" / file.name
            came = public.obtain(file, source, [root / "rttm" / file.name])
        mixtures = list(_mixtures(root, name))
        # by the recording CHAPTER-NUMBER of LibriSpeech
        _write(out / split, mixtures, read_rttm(source, "leave out `--own-lists`, or put it there"))
        report.append(f"{out / split}: {len(mixtures)} mixtures; segments of speech: {came}")
    return report


def _mixtures(root: Path, name: str) -> Iterator[tuple[str, Path, int]]:
    """(identifier, path, samples) of the mixtures of a part."""
    table = root / "wav16k" / "max" / "metadata" / f"mixture_{name}_mix_both.csv"
    if not table.is_file():
        raise BudgetError(
            f"no file `{table}`: make Libri2Mix with generate_librimix_sd.sh of https://github.com/s3prl/LibriMix"
        )
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            # the table has the path at which the mixture was made
            path = root / (_INSIDE + row["mixture_path"].rpartition(_INSIDE)[2])
            if not path.is_file():
                raise BudgetError(f"no mixture `{path}`, which `{table.name}` has: make Libri2Mix again")
            yield row["mixture_ID"], path, int(row["length"])


def _write(folder: Path, mixtures: list[tuple[str, Path, int]], of_sources: dict[str, Annotation]) -> None:
    files: dict[str, list[str]] = {name: [] for name in ("wav.scp", "reco2dur", "segments", "utt2spk", "rttm")}
    utterances: dict[str, list[str]] = defaultdict(list)
    for mixture, path, samples in mixtures:
        files["wav.scp"].append(f"{mixture} {path}")
        files["reco2dur"].append(f"{mixture} {samples / SAMPLE_RATE}")
        for source in mixture.split("_"):
            speaker, _, recording = source.partition("-")
            if recording not in of_sources:
                raise BudgetError(f"`{source}` of mixture `{mixture}` is in no RTTM file: is the corpus Libri2Mix?")
            for segment, _ in of_sources[recording].itertracks():
                # s3prl/LibriMix leaves the speaker out, so that two who begin and end together have one name
                name = f"{speaker}_{mixture}_{_milliseconds(segment.start)}_{_milliseconds(segment.end)}"
                files["segments"].append(f"{name} {mixture} {segment.start} {segment.end}")
                files["utt2spk"].append(f"{name} {speaker}")
                times = f"{segment.start}\t{segment.end - segment.start}"
                files["rttm"].append(f"SPEAKER\t{mixture}\t1\t{times}\t<NA>\t<NA>\t{speaker}\t<NA>")
                utterances[speaker].append(name)
    files["spk2utt"] = [f"{speaker} {' '.join(names)}" for speaker, names in utterances.items()]
    for name, lines in files.items():
        write_text(folder / name, "".join(f"{line}\n" for line in lines))


def _milliseconds(seconds: float) -> str:
    return f"{int(seconds * 1000):06d}"

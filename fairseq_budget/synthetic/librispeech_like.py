"""Synthetic speech in LibriSpeech's layout.

    {train-clean,dev-clean}/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac      16 kHz, 16 bit, mono
    {train-clean,dev-clean}/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt      one line `SPEAKER-CHAPTER-NNNN WORDS` each
    {train-clean,dev-clean}/SPEAKER/CHAPTER/SPEAKER-CHAPTER.phones.ctm     which phone is heard when (alignments.py)

Utterances last about 2 to 17 s.  No speaker, and no timbre, occurs in both folders.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np

from fairseq_budget.data.alignments import CTM, Alignment, write_ctm
from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.synthetic.espeak import RATE, speak_aligned
from fairseq_budget.synthetic.jobs import Job, Made
from fairseq_budget.synthetic.recording import at_16k, recorded, write_16_bit
from fairseq_budget.synthetic.sentences import transcript, utterance
from fairseq_budget.synthetic.speakers import Speaker, divide_variants, draw_speakers

_FIRST_SPEAKER = 1001
_CHAPTER_SECONDS = 300.0
# A chapter ends when less than this is missing, so that it ends too early as often as too late.
_HALF_AN_UTTERANCE_SECONDS = 4.5


def librispeech_jobs(folder: Path, hours: float, dev_hours: float, speakers: int, seed: int) -> list[Job]:
    """The jobs that make `hours` of speech by `speakers` speakers, and `dev_hours` by others (a quarter as many).

    The hours are met to within seconds per chapter; each speaker has the same share.
    """
    rng = np.random.default_rng([seed, 1])
    timbres, dev_timbres = divide_variants(rng)
    dev_speakers = max(2, speakers // 4)
    names = [str(_FIRST_SPEAKER + i) for i in range(speakers + dev_speakers)]
    train = draw_speakers(names[:speakers], timbres, rng)
    dev = draw_speakers(names[speakers:], dev_timbres, rng)
    return _jobs(folder / "train-clean", train, hours, seed) + _jobs(folder / "dev-clean", dev, dev_hours, seed)


def _jobs(folder: Path, speakers: list[Speaker], hours: float, seed: int) -> list[Job]:
    share = hours * 3600 / len(speakers)
    chapters = math.ceil(share / _CHAPTER_SECONDS)
    return [
        Job(
            f"librispeech/{folder.name}",
            partial(make_chapter, folder, speaker, chapter, share / chapters, seed),
        )
        for speaker in speakers
        for chapter in range(chapters)
    ]


def make_chapter(folder: Path, speaker: Speaker, chapter: int, seconds: float, seed: int) -> Made:
    """Write one chapter of about `seconds` of speech, at least one utterance, with its transcripts and phones."""
    rng = np.random.default_rng([seed, 2, int(speaker.name), chapter])
    name = f"{speaker.name}-{speaker.name}{chapter:03d}"
    place = folder / speaker.name / f"{speaker.name}{chapter:03d}"
    place.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    alignments: dict[str, Alignment] = {}
    spoken = 0.0
    while not lines or seconds - spoken > _HALF_AN_UTTERANCE_SECONDS:
        utterance_name = f"{name}-{len(lines):04d}"
        text = utterance(rng)
        pcm, phones = speak_aligned(text, speaker.voice)
        wave = recorded(at_16k(pcm), speaker, rng)
        write_16_bit(place / f"{utterance_name}.flac", wave)
        # resampling keeps the time: a phone begins at the same second in both
        starts = np.array([phone.start for phone in phones]) / RATE
        alignments[utterance_name] = Alignment([phone.name for phone in phones], starts, len(wave) / SAMPLE_RATE)
        lines.append(f"{utterance_name} {transcript(text)}\n")
        spoken += len(wave) / SAMPLE_RATE
    (place / f"{name}.trans.txt").write_text("".join(lines), encoding="utf-8")
    write_ctm(place / f"{name}{CTM}", alignments)
    return Made(speakers=int(chapter == 0), files=len(lines), seconds=spoken)

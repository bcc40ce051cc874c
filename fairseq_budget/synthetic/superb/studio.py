"""Speakers of the miniature corpora, and what they say, recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.synthetic.espeak import ACCENTS, speak, variants
from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.recording import at_16k, recorded, trimmed, write_16_bit
from fairseq_budget.synthetic.sentences import sentence
from fairseq_budget.synthetic.speakers import Speaker, draw_speakers


class Studio:
    """Records a corpus: everything random comes from one generator, so that a corpus is the same to the byte each time.

    `seed` is the user's, `corpus` a number of the corpus's own.
    """

    def __init__(self, seed: int, corpus: int) -> None:
        self.rng = np.random.default_rng([seed, 100 + corpus])
        self.made = Made()

    def speakers(self, names: Sequence[str], accent: str = ACCENTS[0]) -> list[Speaker]:
        """One speaker, with a timbre of its own, for each name."""
        timbres = [variants()[i] for i in self.rng.permutation(len(variants()))]
        drawn = draw_speakers(names, timbres, self.rng)
        self.made += Made(speakers=len(names))
        return [replace(speaker, voice=replace(speaker.voice, accent=accent)) for speaker in drawn]

    def sentence(self, most_words: int) -> str:
        """An English sentence of at least 3 words."""
        while True:
            text = sentence(self.rng)
            if 3 <= len(text.split()) <= most_words:
                return text

    def say(self, text: str, speaker: Speaker) -> np.ndarray:
        """Text in a room, without silence before and after it.  Shape: (T,) float64 at 16 kHz."""
        return recorded(trimmed(at_16k(speak(text, speaker.voice))), speaker, self.rng)

    def keep(self, path: Path, wave: np.ndarray, rate: int = SAMPLE_RATE) -> float:
        """Write a wave, shape (T,) at 16 kHz, by the file's name as FLAC, WAV or MP3 at `rate` Hz; returns its seconds."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if rate == SAMPLE_RATE:
            write_16_bit(path, wave)
        else:
            resampled = np.clip(soxr.resample(wave, SAMPLE_RATE, rate), -1, 1)
            soundfile.write(path, resampled, rate)
        seconds = len(wave) / SAMPLE_RATE
        self.made += Made(files=1, seconds=seconds)
        return seconds


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A text file of lines, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

"""A miniature of Libri2Mix (16 kHz, the longer source's length), for SD.

    wav16k/max/{train-100,dev,test}/mix_both/A_B.wav                two speakers at once, and noise
    wav16k/max/metadata/mixture_{train-100,dev,test}_mix_both.csv   identifier, path, two sources, noise, samples
    rttm/{train_clean_100,dev_clean,test_clean}.rttm                when there is speech in each source

The last folder is s3prl/LibriMix's metadata/LibriSpeech.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.recording import coloured_noise
from fairseq_budget.synthetic.speakers import Speaker
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

PARTS = {"train-100": "train_clean_100", "dev": "dev_clean", "test": "test_clean"}
"""By the name in Libri2Mix: that of the part of LibriSpeech in the RTTM files."""

COLUMNS = "mixture_ID,mixture_path,source_1_path,source_2_path,noise_path,length"
_MIXTURES = {"train-100": 4, "dev": 2, "test": 2}
_PAUSE = round(0.3 * SAMPLE_RATE)
_NOISE_RMS = 0.002


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: one speaker says two sentences with a pause, the other one, a little later."""
    studio = Studio(seed, 6)
    for index, (part, of_librispeech) in enumerate(PARTS.items()):
        rows, rttm = [COLUMNS], []
        speakers = studio.speakers([f"90{index}1", f"90{index}2"])
        for number in range(_MIXTURES[part]):
            names, sources = [], []
            for speaker, sentences in zip(speakers, (2, 1), strict=True):
                recording = f"{speaker.name}5-{number:04d}"
                wave, segments = _source(studio, speaker, sentences)
                names.append(f"{speaker.name}-{recording}")
                sources.append(wave)
                rttm += [_rttm_line(recording, speaker.name, *segment) for segment in segments]
            path = f"wav16k/max/{part}/mix_both/{'_'.join(names)}.wav"
            mixture = _mixed(sources, studio.rng)
            studio.keep(folder / path, mixture)
            rows.append(f"{'_'.join(names)},Libri2Mix/{path},,,,{len(mixture)}")
        write_lines(folder / "wav16k" / "max" / "metadata" / f"mixture_{part}_mix_both.csv", rows)
        write_lines(folder / "rttm" / f"{of_librispeech}.rttm", rttm)
    return studio.made


def _source(studio: Studio, speaker: Speaker, sentences: int) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Sentences with pauses before them, and (begin, seconds) of each.  Shape: (T,)."""
    pieces: list[np.ndarray] = []
    segments = []
    for _ in range(sentences):
        pieces += [np.zeros(_PAUSE), studio.say(studio.sentence(5), speaker)]
        length = len(pieces[-1])
        segments.append(((sum(map(len, pieces)) - length) / SAMPLE_RATE, length / SAMPLE_RATE))
    return np.concatenate(pieces), segments


def _mixed(sources: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """The sum of the sources, all from the beginning, and noise.  Shape: of the longest."""
    mixture = _NOISE_RMS * coloured_noise(max(map(len, sources)), 1.0, rng)
    for source in sources:
        mixture[: len(source)] += 0.5 * source
    return mixture


def _rttm_line(recording: str, speaker: str, begin: float, seconds: float) -> str:
    return f"SPEAKER {recording} 1 {begin:7.3f} {seconds:7.3f} <NA> <NA> {speaker} <NA> <NA>"

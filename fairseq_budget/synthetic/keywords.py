"""Synthetic keywords in the layout of Speech Commands v0.01, as SUPERB's keyword spotting reads it.

    train/WORD/SPEAKER_nohash_TAKE.wav     10 keywords and some other words; 1 s, 16 kHz, 16 bit
    train/_background_noise_/NAME.wav      longer than a second
    test/CLASS/*.wav                       the 12 classes: 10 keywords, `_unknown_`, `_silence_`

Training and validation items are told apart by the corpus's own rule, a hash of SPEAKER; speakers get names that make
the two parts the right size.  Test speakers have timbres that no other speaker has.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.synthetic.espeak import speak
from fairseq_budget.synthetic.jobs import Job, Made
from fairseq_budget.synthetic.recording import at_16k, coloured_noise, recorded, trimmed, write_16_bit
from fairseq_budget.synthetic.speakers import Speaker, divide_variants, draw_speakers

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHER_WORDS = ("bird", "dog", "happy", "house", "seven")
"""Words of the corpus that count as `_unknown_`."""

NOISES = {"white_noise": 0.0, "pink_noise": 1.0, "brown_noise": 2.0, "blue_noise": -1.0}
"""Background noises by name: the slope of each, as in ``coloured_noise``."""

_CLIP = SAMPLE_RATE
_NOISE_SECONDS = 20
_SNR_DB = (15.0, 35.0)
_VALIDATION_SHARE = 0.15
_MAX_WAVS_PER_CLASS = 2**27 - 1


def official_part(speaker: str) -> str:
    """`validation`, `testing` or `training`: where the corpus's own rule puts every recording of a speaker.

    Source: the README of Speech Commands v0.01 (`which_set` with 10 % validation and 10 % testing): SHA-1 of the file
    name before `_nohash_`, modulo 2^27, as a percentage of 2^27 - 1.  SUPERB leaves the `testing` part out.
    """
    digest = int(hashlib.sha1(speaker.encode("utf-8")).hexdigest(), 16)
    percentage = digest % (_MAX_WAVS_PER_CLASS + 1) * (100.0 / _MAX_WAVS_PER_CLASS)
    return "validation" if percentage < 10 else "testing" if percentage < 20 else "training"


def keyword_jobs(folder: Path, speakers: int, takes: int, seed: int) -> list[Job]:
    """The jobs that make the corpus: every speaker says every word `takes` times.

    Of `speakers` (at least 2) about 15 % are validation speakers by the official rule; as many again as two fifths of
    `speakers` are heard only in the test part, where all twelve classes have the same number of recordings.
    """
    rng = np.random.default_rng([seed, 3])
    timbres, test_timbres = divide_variants(rng)
    held_out = max(1, round(_VALIDATION_SHARE * speakers))
    names = names_in_part("training", speakers - held_out, rng) + names_in_part("validation", held_out, rng)
    test_names = names_in_part("testing", max(1, round(0.4 * speakers)), rng)
    train = draw_speakers(names, timbres, rng)
    test = draw_speakers(test_names, test_timbres, rng)
    place, test_place = folder / "train", folder / "test"
    work = [partial(make_training_speaker, place, speaker, takes, seed) for speaker in train]
    test_work = [partial(make_test_speaker, test_place, speaker, i, takes, seed) for i, speaker in enumerate(test)]
    noises = partial(make_noises, place / "_background_noise_", seed)
    return [
        *(Job("speech_commands/train", todo) for todo in [noises, *work]),
        *(Job("speech_commands/test", todo) for todo in test_work),
    ]


def make_training_speaker(folder: Path, speaker: Speaker, takes: int, seed: int) -> Made:
    """Write every word by one speaker."""
    rng = _rng(speaker, seed)
    for word in KEYWORDS + OTHER_WORDS:
        for take in range(takes):
            _write(folder / word / f"{speaker.name}_nohash_{take}.wav", say_keyword(word, speaker, rng))
    clips = takes * len(KEYWORDS + OTHER_WORDS)
    return Made(speakers=1, files=clips, seconds=clips * _CLIP / SAMPLE_RATE)


def make_test_speaker(folder: Path, speaker: Speaker, index: int, takes: int, seed: int) -> Made:
    """Write `takes` recordings of each of the twelve classes by one speaker; the other words take turns by `index`."""
    rng = _rng(speaker, seed)
    for take in range(takes):
        name = f"{speaker.name}_nohash_{take}.wav"
        for word in KEYWORDS:
            _write(folder / word / name, say_keyword(word, speaker, rng))
        other = OTHER_WORDS[(index * takes + take) % len(OTHER_WORDS)]
        _write(folder / "_unknown_" / f"{other}_{name}", say_keyword(other, speaker, rng))
        slope = rng.uniform(min(NOISES.values()), max(NOISES.values()))
        _write(folder / "_silence_" / name, _background(_CLIP, slope, rng))
    clips = takes * (len(KEYWORDS) + 2)
    return Made(speakers=1, files=clips, seconds=clips * _CLIP / SAMPLE_RATE)


def make_noises(folder: Path, seed: int) -> Made:
    """Write the background noises, 20 s each."""
    for (name, slope), rng in zip(NOISES.items(), np.random.default_rng([seed, 4]).spawn(len(NOISES)), strict=True):
        _write(folder / f"{name}.wav", _background(_NOISE_SECONDS * SAMPLE_RATE, slope, rng))
    return Made(files=len(NOISES), seconds=_NOISE_SECONDS * len(NOISES))


def say_keyword(word: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """One word somewhere in a second of the room's noise, each time at a slightly other rate and pitch.

    Shape: (16000,) float64.
    """
    voice = replace(
        speaker.voice,
        words_per_minute=speaker.voice.words_per_minute + int(rng.integers(-15, 16)),
        pitch=speaker.voice.pitch + int(rng.integers(-6, 7)),
    )
    speech = trimmed(at_16k(speak(word, voice)))[:_CLIP]
    clip = np.zeros(_CLIP)
    start = rng.integers(_CLIP - len(speech) + 1)
    clip[start : start + len(speech)] = speech
    return recorded(clip, speaker, rng, _SNR_DB)


def _background(samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Noise at an RMS of -50 to -20 dB of full scale.  Shape: (samples,)."""
    return coloured_noise(samples, slope, rng) * 10 ** (rng.uniform(-50, -20) / 20)


def names_in_part(part: str, count: int, rng: np.random.Generator) -> list[str]:
    """Speaker names of eight hexadecimal digits, like the corpus's own, which the official rule puts into a part."""
    names: dict[str, None] = {}
    while len(names) < count:
        name = f"{rng.integers(2**32):08x}"
        if official_part(name) == part:
            names[name] = None
    return list(names)


def _rng(speaker: Speaker, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 5, int(speaker.name, 16)])


def _write(path: Path, wave: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_16_bit(path, wave)

"""Who speaks: made-up speakers, each a voice of its own in a room of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairseq_budget.synthetic.espeak import ACCENTS, Voice, variants


@dataclass(frozen=True)
class Speaker:
    """A name, a voice, and how the speaker is recorded.

    `peak_db`: the loudest sample of every recording, in dB below full scale (0).
    `noise_slope`: the colour of the room's noise, 0 white, 1 pink, 2 brown.
    """

    name: str
    voice: Voice
    peak_db: float
    noise_slope: float


def divide_variants(rng: np.random.Generator, held_out_share: float = 0.25) -> tuple[list[str], list[str]]:
    """eSpeak's variants in two lists without a common one, in random order: (for training, held out)."""
    shuffled = [variants()[i] for i in rng.permutation(len(variants()))]
    held_out = round(held_out_share * len(shuffled))
    return shuffled[held_out:], shuffled[:held_out]


def draw_speakers(names: Sequence[str], timbres: Sequence[str], rng: np.random.Generator) -> list[Speaker]:
    """One speaker for each name.

    A variant comes back only when all have been used, and then with another pitch, range, rate and accent.
    """
    return [_draw(name, timbres[i % len(timbres)], rng) for i, name in enumerate(names)]


def _draw(name: str, variant: str, rng: np.random.Generator) -> Speaker:
    voice = Voice(
        accent=ACCENTS[rng.integers(len(ACCENTS))],
        variant=variant,
        words_per_minute=int(rng.integers(145, 200)),
        pitch=int(rng.integers(30, 71)),
        pitch_range=int(rng.integers(30, 81)),
    )
    return Speaker(name, voice, peak_db=float(rng.uniform(-12, -2)), noise_slope=float(rng.uniform(0.5, 1.5)))

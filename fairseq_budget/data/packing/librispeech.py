"""Lengths that are distributed as those of LibriSpeech's 960 h, to try packers on without the corpus."""

from __future__ import annotations

from functools import cache

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.packing.statistics import filled

UTTERANCES = 281_241
SHORTEST = 32_000
"""Liu et al. 2024 leave out what is shorter, in samples."""
LONGEST = 250_000
"""And crop what is longer."""

QUANTILES = (
    (0.000, 0.9),
    (0.001, 1.7),
    (0.010, 2.3),
    (0.050, 3.6),
    (0.100, 5.2),
    (0.150, 7.3),
    (0.200, 9.2),
    (0.250, 10.7),
    (0.300, 11.8),
    (0.400, 13.2),
    (0.500, 14.0),
    (0.600, 14.4),
    (0.700, 14.8),
    (0.800, 15.3),
    (0.900, 15.8),
    (0.950, 16.2),
    (0.990, 16.8),
    (0.999, 17.4),
    (1.000, 30.0),
)
"""Share of the utterances that are at most so many seconds long; straight lines between.

Drawn so that the whole has LibriSpeech's mean (960.9 h in 281,241 utterances: 12.3 s) and median (about 14 s), and that,
played at 0.9, 1 and 1.1 times its speed, its quantiles are those that icefall states for its three-fold training sets
(k2-fsa/icefall, egs/librispeech/ASR/local/display_manifest_statistics.py, weighted by the sets' sizes) within half a second.
"""


def librispeech_like(utterances: int, seed: int = 0) -> np.ndarray:
    """Draw lengths.  Shape: -> (utterances,) int64, in samples at 16 kHz."""
    shares, seconds = zip(*QUANTILES, strict=True)
    drawn = np.interp(np.random.default_rng(seed).random(utterances), shares, seconds)
    return (drawn * SAMPLE_RATE).astype(np.int64)


@cache
def librispeech_filled(rule: str, max_samples: int, longest: int) -> float:
    """Share of a batch of `max_samples` that is heard, of all 960 h in utterances cropped to `longest`, all in samples.

    By `sorted` it is 0.889 of 1,400,000 and 0.800 of 700,000 samples.  Liu et al. 2024 publish 24.74 and 3.25 epochs for the
    first, where full batches would give 27.85 and 3.66, and 160,144 updates of HuBERT Large for the second.
    """
    lengths = librispeech_like(UTTERANCES)
    return filled(rule, np.minimum(lengths[lengths >= SHORTEST], longest), max_samples)

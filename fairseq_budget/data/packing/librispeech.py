"""Lengths that are distributed as those of LibriSpeech's 960 h, to try packers on without the corpus."""

from __future__ import annotations

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE

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

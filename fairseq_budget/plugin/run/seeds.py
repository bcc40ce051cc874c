"""Random numbers of a batch: the same on whatever rank it is computed, and after whatever was drawn before."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from fairseq import utils

VALIDATION = 1337
"""Decides the crops and masks of validation in every run, whatever its own seed: losses differ by what was trained alone."""


def seed_batch(seed: int, update: int, ids: Sequence[int]) -> None:
    """Seed masks, distractors and dropout of a batch by the run's seed, the update and the utterances in it."""
    utils.set_torch_seed(zlib.crc32(f"{seed} {update} {list(ids)}".encode()))

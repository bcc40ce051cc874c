"""Units: every conversion between samples, seconds, hours and FLOPs prefixes stands here."""

from __future__ import annotations

SAMPLE_RATE = 16_000
"""Samples per second of everything that is trained on."""

SECONDS_PER_HOUR = 3600

GIB = 2**30
"""Bytes."""


def hours_from_samples(samples: int) -> float:
    """Hours of audio in a number of 16 kHz samples."""
    return samples / (SAMPLE_RATE * SECONDS_PER_HOUR)


def human_flops(flops: float) -> str:
    """FLOPs with an SI prefix: ``3.00 TFLOP``, ``1.33 EFLOP``."""
    for prefix, scale in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if abs(flops) >= 0.999995 * scale:  # what would round to 1000.00 of the next smaller one
            return f"{flops / scale:.2f} {prefix}FLOP"
    return f"{flops:.0f} FLOP"

"""How the memory of a training step grows with its batch, from two batches.

What is kept for the backward pass grows with the audio, and once more with the length of an utterance: attention has T x T
weights for T frames.
"""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[int, int]

FIXED_BYTES = {"fp32": 12, "bf16": 12, "fp16": 14}
"""Of each parameter: itself and Adam's two moments in fp32, and in fp16 a half copy.  Gradients come when what was kept for
them goes."""


@dataclass(frozen=True)
class MemoryModel:
    """Bytes at the highest point of a step: ``fixed + samples * (linear + quadratic * frames)``, with the samples of the
    whole batch and the frames of one utterance."""

    fixed: float
    linear: float
    quadratic: float

    @classmethod
    def fit(cls, fixed: int, samples: Pair, frames: Pair, peaks: Pair) -> MemoryModel:
        """From what doesn't grow with the batch and two batches in utterances of different lengths: samples in all, frames
        of an utterance, and peak of each.

        Noise may give the longer ones the lower peak for a sample; then length is taken not to matter.
        """
        first, second = ((peak - fixed) / count for peak, count in zip(peaks, samples, strict=True))
        quadratic = max((second - first) / (frames[1] - frames[0]), 0.0)
        return cls(fixed, max(first, second) if quadratic == 0 else first - quadratic * frames[0], quadratic)

    def bytes(self, samples: float, frames: int) -> int:
        """Of a batch of `samples` samples in all, in utterances of `frames` frames."""
        return round(self.fixed + samples * (self.linear + self.quadratic * frames))

    def most_utterances(self, samples: int, frames: int, free: float) -> int:
        """How many utterances of so many samples and frames fit into `free` bytes beside what is fixed; 0 if none does."""
        return max(int(free // (self.bytes(samples, frames) - self.fixed)), 0)

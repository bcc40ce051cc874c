"""Kaldi's MFCC, batched, on any device: the features of HuBERT's first labels and the targets of TERA.

Letters in shapes: B utterances, T samples, F frames at 100 Hz, D coefficients.

Source: Kaldi's ``feat/feature-mfcc`` (Povey et al. 2011) with the options of ``compute-mfcc-feats --use-energy=false
--dither=0``; HuBERT (Hsu et al. 2021, section IV-B) clusters 39 of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fairseq_budget.kernels.precision import as_it_is
from fairseq_budget.modules.log_mel import KaldiLogMel

CEPSTRAL_LIFTER = 22.0
DELTA_REACH = 2  # frames to each side, so a window of 5


class KaldiMFCC(KaldiLogMel):
    """Mel-frequency cepstral coefficients as Kaldi computes them, in fp32 whatever surrounds it.

    Log-mel frames, orthonormal DCT, lifter 22.  The first coefficient is the DCT's (no energy).
    """

    cepstra: Tensor

    def __init__(self, sample_rate: int = 16_000, num_ceps: int = 13, num_mels: int = 23) -> None:
        self.num_ceps = num_ceps
        super().__init__(num_mels, sample_rate)

    def _constants(self) -> dict[str, Tensor]:
        """Window, mel filters and liftered DCT."""
        cepstra = _dct(self.num_mels, self.num_ceps) * _lifter(self.num_ceps)
        return {**super()._constants(), "cepstra": cepstra}

    def forward(self, wave: Tensor) -> Tensor:
        """Static coefficients.

        Shape: wave (B, T) in [-1, 1], any floating type -> (B, F, num_ceps) in fp32 with F = ``frames(T)``, may be 0.
        """
        with as_it_is(wave):
            return self.log_mel(wave) @ self.cepstra

    def mfcc39(self, wave: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Static, delta and delta-delta coefficients, in this order, as fairseq's HuBERT dumps them.

        With ``lengths`` (B,), in samples, each row of a padded batch has on its valid frames what it would have alone;
        its later frames are 0.

        Shape: wave (B, T) -> (B, F, 3 * num_ceps)
        """
        static = self(wave)
        frames = None if lengths is None else self.frames(lengths.to(wave.device))
        with as_it_is(wave):
            first = deltas(static, frames)
            features = torch.cat([static, first, deltas(first, frames)], dim=-1)
        return features if frames is None else features * _valid(frames, features.shape[1])[..., None]


def deltas(x: Tensor, frames: Tensor | None = None) -> Tensor:
    """Slope over five frames, d_t = sum_n n (x_{t+n} - x_{t-n}) / (2 sum_n n^2) for n = 1, 2.

    The first frame stands for those before it, and a row's last frame (``frames`` (B,) counts the valid ones; all
    without it) for those after it.  The formula is the one of HTK and of ``torchaudio.functional.compute_deltas``.

    Shape: (B, F, D) -> (B, F, D)
    """
    if frames is not None:
        x = _hold_last(x, frames)
    time = torch.arange(x.shape[1], device=x.device)
    slope = torch.zeros_like(x)
    for n in range(1, DELTA_REACH + 1):
        slope = slope + n * (x[:, (time + n).clamp(max=x.shape[1] - 1)] - x[:, (time - n).clamp(min=0)])
    return slope / (2 * sum(n * n for n in range(1, DELTA_REACH + 1)))


def _valid(frames: Tensor, total: int) -> Tensor:
    """Shape: (B,) -> (B, F), true on each row's valid frames."""
    return torch.arange(total, device=frames.device) < frames[:, None]


def _hold_last(x: Tensor, frames: Tensor) -> Tensor:
    """Fill what follows a row's last valid frame with that frame.  Shape: (B, F, D) -> (B, F, D)"""
    time = torch.arange(x.shape[1], device=x.device)
    index = torch.minimum(time, (frames[:, None] - 1).clamp(min=0))
    return x.gather(1, index[..., None].expand_as(x))


def _dct(num_mels: int, num_ceps: int) -> Tensor:
    """Orthonormal DCT-II, its first columns.  Shape: (num_mels, num_ceps)"""
    position = torch.arange(num_mels, dtype=torch.float64)[:, None] + 0.5
    matrix = torch.cos(math.pi / num_mels * position * torch.arange(num_ceps)) * math.sqrt(2 / num_mels)
    matrix[:, 0] = math.sqrt(1 / num_mels)
    return matrix


def _lifter(num_ceps: int) -> Tensor:
    """1 + Q/2 sin(pi i / Q) with Q = 22.  Shape: (num_ceps,)"""
    index = torch.arange(num_ceps, dtype=torch.float64)
    return 1.0 + 0.5 * CEPSTRAL_LIFTER * torch.sin(math.pi * index / CEPSTRAL_LIFTER)

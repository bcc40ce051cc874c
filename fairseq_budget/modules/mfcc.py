"""Kaldi's MFCC, batched, on any device: the features of HuBERT's first labels and the targets of TERA.

Letters in shapes: B utterances, T samples, F frames at 100 Hz, D coefficients, N frames at 50 Hz.

Source: Kaldi's ``feat/feature-mfcc``, ``feature-window`` and ``mel-computations`` (Povey et al. 2011) with the options
of ``compute-mfcc-feats --use-energy=false --dither=0``; HuBERT (Hsu et al. 2021, section IV-B) clusters 39 of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fairseq_budget.kernels.precision import as_it_is

LOW_HZ = 20.0
PREEMPHASIS = 0.97
CEPSTRAL_LIFTER = 22.0
POVEY_POWER = 0.85
DELTA_REACH = 2  # frames to each side, so a window of 5


class KaldiMFCC(nn.Module):
    """Mel-frequency cepstral coefficients as Kaldi computes them, in fp32 whatever surrounds it.

    A frame is 25 ms of signal, every 10 ms, and only where it fits (``snip_edges``).  Per frame: mean removed,
    pre-emphasis 0.97, Povey window, power spectrum, triangular mel filters from 20 Hz to half the sampling rate, log
    with the floor of fp32's epsilon, orthonormal DCT, lifter 22.  The first coefficient is the DCT's (no energy), there
    is no dither, so equal audio gives equal features.
    """

    def __init__(self, sample_rate: int = 16_000, num_ceps: int = 13, num_mels: int = 23) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.num_ceps = num_ceps
        self.num_mels = num_mels
        self.window_samples = sample_rate * 25 // 1000
        self.shift_samples = sample_rate * 10 // 1000
        self.fft_size = 1 << (self.window_samples - 1).bit_length()
        for name, constant in self._constants().items():
            self.register_buffer(name, constant, persistent=False)

    def _constants(self) -> dict[str, Tensor]:
        """Window, mel filters and liftered DCT, made in double precision and rounded once to fp32."""
        dct = _dct(self.num_mels, self.num_ceps) * _lifter(self.num_ceps)
        constants = {
            "window": _povey_window(self.window_samples),
            "mel_filters": _mel_filters(self.num_mels, self.fft_size, self.sample_rate),
            "cepstra": dct,
        }
        return {name: constant.float() for name, constant in constants.items()}

    def _apply(self, fn, recurse: bool = True) -> KaldiMFCC:  # type: ignore[no-untyped-def, override]
        """Follow the model to its device but not to half precision: fairseq's fp16 calls ``model.half()``."""
        super()._apply(fn, recurse)
        for name, constant in self._constants().items():
            buffer = getattr(self, name)
            if buffer.dtype != torch.float32:
                setattr(self, name, constant.to(buffer.device))
        return self

    def frames(self, samples: int | Tensor) -> int | Tensor:
        """How many frames fit into so many samples; 0 for less than one window (25 ms)."""
        count = (samples - self.window_samples) // self.shift_samples + 1
        return count.clamp(min=0) if isinstance(count, Tensor) else max(0, count)

    def forward(self, wave: Tensor) -> Tensor:
        """Static coefficients.

        Shape: wave (B, T) in [-1, 1], any floating type -> (B, F, num_ceps) in fp32 with F = ``frames(T)``, may be 0.
        """
        if wave.shape[1] < self.window_samples:
            return wave.new_zeros(wave.shape[0], 0, self.num_ceps, dtype=torch.float32)
        with as_it_is(wave):
            # (B, T) -> (B, F, window)
            frame = wave.float().unfold(1, self.window_samples, self.shift_samples)
            power = self._power_spectrum(frame)
            mels = (power @ self.mel_filters).clamp(min=torch.finfo(torch.float32).eps)
            return mels.log() @ self.cepstra

    def _power_spectrum(self, frame: Tensor) -> Tensor:
        """Shape: (B, F, window) -> (B, F, fft_size / 2); the bin at half the sampling rate is in no mel filter."""
        frame = frame - frame.mean(-1, keepdim=True)
        before = torch.cat([frame[..., :1], frame[..., :-1]], dim=-1)
        frame = (frame - PREEMPHASIS * before) * self.window
        spectrum = torch.fft.rfft(frame, n=self.fft_size)[..., :-1]
        return torch.view_as_real(spectrum).pow(2).sum(-1)

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


def stack_pairs(x: Tensor) -> Tensor:
    """Two neighbouring 100 Hz frames side by side as one 50 Hz frame, TERA's target; an odd last frame is dropped.

    The encoder's convolutions may yield one 50 Hz frame more than there are pairs: a loss uses the shorter of the two.

    Shape: (B, 2N or 2N + 1, D) -> (B, N, 2D)
    """
    batch, frames, width = x.shape
    # (B, 2N, D) -> (B, N, 2D)
    return x[:, : frames - frames % 2].reshape(batch, frames // 2, 2 * width)


def _valid(frames: Tensor, total: int) -> Tensor:
    """Shape: (B,) -> (B, F), true on each row's valid frames."""
    return torch.arange(total, device=frames.device) < frames[:, None]


def _hold_last(x: Tensor, frames: Tensor) -> Tensor:
    """Fill what follows a row's last valid frame with that frame.  Shape: (B, F, D) -> (B, F, D)"""
    time = torch.arange(x.shape[1], device=x.device)
    index = torch.minimum(time, (frames[:, None] - 1).clamp(min=0))
    return x.gather(1, index[..., None].expand_as(x))


def _povey_window(samples: int) -> Tensor:
    """Hann window to the power 0.85; it reaches zero at both ends.  Shape: (samples,)"""
    return torch.hann_window(samples, periodic=False, dtype=torch.float64).pow(POVEY_POWER)


def _mel(hertz: Tensor) -> Tensor:
    """Kaldi's mel scale, 1127 ln(1 + f / 700)."""
    return 1127.0 * torch.log1p(hertz / 700.0)


def _mel_filters(num_mels: int, fft_size: int, sample_rate: int) -> Tensor:
    """Triangles that are straight on the mel scale.  Shape: (fft_size / 2, num_mels)"""
    bins = _mel(torch.arange(fft_size // 2, dtype=torch.float64) * sample_rate / fft_size)[:, None]
    low, high = _mel(torch.tensor([LOW_HZ, sample_rate / 2], dtype=torch.float64)).tolist()
    corners = torch.linspace(low, high, num_mels + 2, dtype=torch.float64)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    return torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0)


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

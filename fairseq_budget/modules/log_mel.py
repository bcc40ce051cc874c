"""Kaldi's log-mel frames, batched, on any device.

Letters in shapes: B utterances, T samples, F frames at 100 Hz, D values of a frame, N frames at 50 Hz.

Source: Kaldi's ``feat/feature-window`` and ``mel-computations`` (Povey et al. 2011) with the options ``--use-energy=false
--dither=0``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fairseq_budget.kernels.precision import ExactBuffers, as_it_is

LOW_HZ = 20.0
PREEMPHASIS = 0.97
POVEY_POWER = 0.85
PIECE_FRAMES = 2**14
"""Longer signals (three minutes) are transformed in pieces: a frame of 10 ms takes 20 times its samples' memory."""
SMALLEST_DEVIATION = 1e-5
"""Below it a mel band says nothing: digital silence stays 0 instead of becoming noise."""


class KaldiLogMel(ExactBuffers):
    """Logarithms of mel filters' outputs as Kaldi computes them, in fp32 whatever surrounds it.

    A frame is 25 ms of signal, every 10 ms, and only where it fits (``snip_edges``).  Per frame: mean removed,
    pre-emphasis 0.97, Povey window, power spectrum, triangular mel filters from 20 Hz to half the sampling rate, log with
    the floor of fp32's epsilon.  There is no dither, so equal audio gives equal features.
    """

    def __init__(self, num_mels: int, sample_rate: int = 16_000) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.num_mels = num_mels
        self.window_samples = sample_rate * 25 // 1000
        self.shift_samples = sample_rate * 10 // 1000
        self.fft_size = 1 << (self.window_samples - 1).bit_length()
        for name, constant in self._constants().items():
            self.register_buffer(name, constant.float(), persistent=False)

    window: Tensor
    mel_filters: Tensor

    def _constants(self) -> dict[str, Tensor]:
        """Buffers by name, made in double precision and rounded once to fp32."""
        return {
            "window": _povey_window(self.window_samples),
            "mel_filters": _mel_filters(self.num_mels, self.fft_size, self.sample_rate),
        }

    def frames(self, samples: Any) -> Any:
        """How many frames fit into so many samples (an integer or a tensor of them); 0 for less than one window (25 ms)."""
        count = (samples - self.window_samples) // self.shift_samples + 1
        return count.clamp(min=0) if isinstance(count, Tensor) else max(0, count)

    def log_mel(self, wave: Tensor) -> Tensor:
        """Shape: wave (B, T) in [-1, 1], any floating type -> (B, F, num_mels) in fp32 with F = ``frames(T)``, may be 0."""
        if wave.shape[1] < self.window_samples:
            return wave.new_zeros(wave.shape[0], 0, self.num_mels, dtype=torch.float32)
        with as_it_is(wave):
            # (B, T) -> (B, F, window)
            frames = wave.float().unfold(1, self.window_samples, self.shift_samples)
            if frames.size(1) <= PIECE_FRAMES:
                return self._of_frames(frames)
            return torch.cat([self._of_frames(piece) for piece in torch.split(frames, PIECE_FRAMES, dim=1)], dim=1)

    def forward(self, wave: Tensor) -> Tensor:
        """Shape: wave (B, T) -> (B, F, D)."""
        return self.log_mel(wave)

    def _of_frames(self, frame: Tensor) -> Tensor:
        """Shape: (B, F, window) -> (B, F, num_mels)"""
        power = self._power_spectrum(frame)
        return (power @ self.mel_filters).clamp(min=torch.finfo(torch.float32).eps).log()

    def _power_spectrum(self, frame: Tensor) -> Tensor:
        """Shape: (B, F, window) -> (B, F, fft_size / 2); the bin at half the sampling rate is in no mel filter."""
        frame = frame - frame.mean(-1, keepdim=True)
        before = torch.cat([frame[..., :1], frame[..., :-1]], dim=-1)
        frame = (frame - PREEMPHASIS * before) * self.window
        spectrum = torch.fft.rfft(frame, n=self.fft_size)[..., :-1]
        # a sum over real and imaginary part as a dimension of two takes ten times as long on a CPU
        return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)


def stack_pairs(x: Tensor) -> Tensor:
    """Two neighbouring 100 Hz frames side by side as one 50 Hz frame; an odd last frame is dropped.

    Shape: (B, 2N or 2N + 1, D) -> (B, N, 2D)
    """
    batch, frames, width = x.shape
    # (B, 2N, D) -> (B, N, 2D)
    return x[:, : frames - frames % 2].reshape(batch, frames // 2, 2 * width)


def pairs_of_frames(x: Tensor, frames: int, own: Tensor | None = None) -> Tensor:
    """What :func:`stack_pairs` gives for each of so many frames of an encoder at 50 Hz.

    The encoder's convolutions may yield a frame more than there are pairs; past an utterance's last complete pair, it is
    repeated.

    Shape: x (B, F, D), own (B,) the 100 Hz frames of each utterance, or None when all exist -> (B, frames, 2D)
    """
    pairs = stack_pairs(x)
    last = pairs.size(1) - 1 if own is None else (own[:, None] // 2 - 1).clamp(min=0)
    index = torch.arange(frames, device=x.device).clamp(max=last).expand(x.size(0), -1)
    return pairs.gather(1, index[..., None].expand(-1, -1, pairs.size(2)))


def normalise(x: Tensor, frames: Tensor | None) -> Tensor:
    """Mean 0 and deviation 1 of each value over an utterance's frames.

    Shape: x (B, F, D), frames (B,) that exist, or None when all do -> (B, F, D)
    """
    there = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    if frames is not None:
        there = (torch.arange(x.size(1), device=x.device) < frames[:, None]).to(x.dtype)
    there, count = there[..., None], there.sum(1)[:, None, None].clamp(min=1)
    centred = x - (x * there).sum(1, keepdim=True) / count
    deviation = ((centred.square() * there).sum(1, keepdim=True) / count).sqrt()
    return centred / deviation.clamp(min=SMALLEST_DEVIATION)


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

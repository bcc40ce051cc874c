"""An upstream that computes only what its store lacks.

Letters: B waves, T samples, L states of a frame, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from s3prl_upstreams.store.folder import Store
from s3prl_upstreams.store.numerics import computation, key_of, precision

_MOST_REMEMBERED = 1 << 20
"""Waves that weren't stored; beyond that they are forgotten, all at once."""


class Storable(Protocol):
    """An upstream whose features of a wave don't depend on what else is in the batch."""

    training: bool

    def identity(self) -> str:
        """A digest of everything in it that decides its numbers."""

    def frames(self, samples: int) -> int:
        """Frames of a wave."""

    def state_shape(self) -> tuple[int, int]:
        """States of a frame, and their width."""

    def get_downsample_rates(self, key: str) -> int:
        """Samples from one frame to the next."""

    def __call__(self, wavs: list[Tensor], least_frames: int = 0) -> dict[str, Any]:
        """Hidden states of at least so many frames: behind its end, a wave has frames that s3prl reads, too."""


class StoredUpstream(nn.Module):
    """In place of an upstream that isn't trained.

    With `half`, states are rounded to fp16 before they are used or stored, those beyond its range aside.  Until `expected`
    utterances were stored, all that are missing are; then only those that are met a second time, so that random crops,
    which aren't, don't fill the disk.  `computed` are the samples of the waves that the last pass computed.  With `means`
    an utterance has one frame, the mean of those that s3prl would read.
    """

    def __init__(
        self,
        upstream: Storable,
        store: Store,
        half: bool = False,
        expected: float = float("inf"),
        means: bool = False,
    ) -> None:
        super().__init__()
        self.upstream, self.store, self.half, self.means = upstream, store, half, means
        self.computed: list[int] = []
        self._free_writes = expected
        self._met: set[int] = set()
        self._identity = f"{upstream.identity()} {computation()} {'fp16' if half else 'fp32'}{' means' if means else ''}"

    def get_downsample_rates(self, key: str) -> int:
        """The upstream's."""
        return self.upstream.get_downsample_rates(key)

    def forward(self, wavs: list[Tensor]) -> dict[str, Any]:
        """What the upstream would give, up to rounding.

        Shape: B waves of (T_b,) -> ``hidden_states``: L tensors (B, F, D), with `means` (B, 1, D); ``last_hidden_state``:
        the last of them.
        """
        device = wavs[0].device
        if self.upstream.training or torch.is_grad_enabled() or torch.is_autocast_enabled(device.type):
            if self.means:
                raise RuntimeError("means are stored of an upstream that is evaluated only, in full precision")
            self.computed = [len(wave) for wave in wavs]
            return self.upstream(wavs)
        identity = f"{self._identity} {precision(device)}"
        keys = [key_of(identity, wave.cpu().numpy()) for wave in wavs]
        found = {key: states for key in keys if (states := self.store.get(key)) is not None}
        missing = {key: wave for key, wave in zip(keys, wavs, strict=True) if key not in found}
        self.computed = [len(wave) for wave in missing.values()]
        if missing:
            for key, states in zip(missing, self._compute(list(missing.values())), strict=True):
                found[key] = states
                if self._is_worth_keeping(key):
                    self.store.put(key, states)
        together = self._means if self.means else self._padded
        whole = together([found[key] for key in keys], [len(wave) for wave in wavs], device)
        hidden_states = list(whole.unbind())
        return {"hidden_states": hidden_states, "last_hidden_state": hidden_states[-1]}

    def _compute(self, wavs: list[Tensor]) -> list[np.ndarray]:
        """Shape: B waves of (T_b,) -> B arrays (L, F_b, D)."""
        frames = [self._frames(len(wave)) for wave in wavs]
        whole = torch.stack(self.upstream(wavs, max(map(max, frames)))["hidden_states"]).float()
        kept = [whole[:, row, : max(counts)] for row, counts in enumerate(frames)]
        if self.means:
            kept = [_means_of_first(states, *counts) for states, counts in zip(kept, frames, strict=True)]
        return [self._rounded(states.cpu().numpy()) for states in kept]

    def _frames(self, samples: int) -> tuple[int, int]:
        """Of a wave: all that the upstream gives it alone, and what s3prl's featurizer reads in a longer batch, its length
        by the rate, rounded."""
        return self.upstream.frames(samples), round(samples / self.get_downsample_rates("hidden_states"))

    def _rounded(self, states: np.ndarray) -> np.ndarray:
        if not self.half or np.abs(states).max(initial=0) > np.finfo(np.float16).max:
            return states
        return states.astype(np.float16)

    def _is_worth_keeping(self, key: str) -> bool:
        self._free_writes -= 1
        short = int(key[:15], 16)
        if self._free_writes >= 0 or short in self._met:
            return True
        if len(self._met) >= _MOST_REMEMBERED:
            self._met.clear()
        self._met.add(short)
        return False

    def _padded(self, states: Sequence[np.ndarray], samples: Sequence[int], device: torch.device) -> Tensor:
        """A batch as the upstream pads it.  Shape: B arrays (L, F_b, D), samples (B,) -> (L, B, F, D)."""
        frames = self.upstream.frames(max(samples))
        whole = _zeros(states, frames, device)
        for row, own in enumerate(states):
            whole.numpy()[:, row, : own.shape[1]] = own[:, :frames]
        return whole.to(device, non_blocking=True)

    def _means(self, states: Sequence[np.ndarray], samples: Sequence[int], device: torch.device) -> Tensor:
        """Those over the frames that s3prl would read in this batch.  Shape: B arrays (L, K_b, D) -> (L, B, 1, D)."""
        longest = self.upstream.frames(max(samples))
        whole = _zeros(states, 1, device)
        for row, (own, length) in enumerate(zip(states, samples, strict=True)):
            alone, beside_longer = self._frames(length)
            whole.numpy()[:, row, 0] = own[:, min(beside_longer, longest) - min(alone, beside_longer)]
        return whole.to(device, non_blocking=True)


def _zeros(states: Sequence[np.ndarray], frames: int, device: torch.device) -> Tensor:
    """In memory that a GPU copies from while it computes.  Shape: B arrays (L, F_b, D) -> (L, B, F, D)"""
    count, _, width = states[0].shape
    return torch.zeros(count, len(states), frames, width, pin_memory=device.type == "cuda")


def _means_of_first(states: Tensor, *counts: int) -> Tensor:
    """Of the first frames, from the lowest of `counts` to the highest of them.  Shape: (L, F, D) -> (L, K, D)"""
    return torch.stack([states[:, :count].mean(dim=1) for count in range(min(counts), max(counts) + 1)], dim=1)

"""MFCC beside torchaudio's port of Kaldi, and in padded batches."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from fairseq_budget.modules.log_mel import PIECE_FRAMES, stack_pairs
from fairseq_budget.modules.mfcc import KaldiMFCC, deltas
from s3prl_upstreams.host import compat
from tests.common import assert_close

LENGTHS = (400, 719, 16_000, 33_333)
TOLERANCE = 1e-3  # logs of nearly empty mel bins differ in the last bits of the FFT


@pytest.fixture(scope="module")
def torchaudio() -> ModuleType:
    """The reference, imported the way that works beside a CPU-only torch."""
    if importlib.util.find_spec("torchaudio") is None:
        pytest.skip("torchaudio is not installed")
    return compat.import_torchaudio()


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def tones(samples: int, seed: int = 0) -> Tensor:
    time = torch.arange(samples) / 16_000
    pure = sum(torch.sin(2 * math.pi * (220.0 + 37 * seed) * k * time) / k for k in (1, 2, 5))
    return 0.3 * pure + 0.01 + 1e-3 * noise(samples, seed)


def reference39(torchaudio: ModuleType, wave: Tensor) -> Tensor:
    from torchaudio.compliance import kaldi

    static = kaldi.mfcc(wave[None], use_energy=False, dither=0.0).T
    first = torchaudio.functional.compute_deltas(static)
    return torch.cat([static, first, torchaudio.functional.compute_deltas(first)]).T


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("signal", [noise, tones])
def test_equals_torchaudio(torchaudio: ModuleType, signal: Callable[[int], Tensor], samples: int) -> None:
    wave = signal(samples)
    expected = reference39(torchaudio, wave)
    mfcc = KaldiMFCC()
    assert expected.shape == (mfcc.frames(samples), 39)
    torch.testing.assert_close(mfcc(wave[None])[0], expected[:, :13], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(mfcc.mfcc39(wave[None])[0], expected, atol=TOLERANCE, rtol=0)


def test_comparison_sees_a_changed_input(torchaudio: ModuleType) -> None:
    wave = noise(16_000)
    disturbed = wave.clone()
    disturbed[8_000] += 0.01
    difference = (KaldiMFCC().mfcc39(disturbed[None])[0] - reference39(torchaudio, wave)).abs()
    assert difference.max() > 10 * TOLERANCE


def test_deltas_equal_torchaudio(torchaudio: ModuleType) -> None:
    x = torch.randn(3, 50, 7, generator=torch.Generator().manual_seed(1))
    expected = torchaudio.functional.compute_deltas(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(deltas(x), expected)


def test_silence_is_finite() -> None:
    assert torch.isfinite(KaldiMFCC().mfcc39(torch.zeros(1, 4_000))).all()


def test_batch_equals_one_by_one() -> None:
    mfcc = KaldiMFCC()
    waves = torch.stack([noise(8_000, 1), tones(8_000, 2), noise(8_000, 3)])
    alone = torch.cat([mfcc.mfcc39(wave[None]) for wave in waves])
    torch.testing.assert_close(mfcc.mfcc39(waves), alone, atol=TOLERANCE, rtol=0)


def test_padded_row_equals_the_row_alone() -> None:
    mfcc = KaldiMFCC()
    lengths = torch.tensor([8_000, 3_333, 401, 250])
    # What follows a row's end is noise, not silence: it must not be seen at all.
    waves = torch.stack([tones(8_000, seed) + noise(8_000, seed) for seed in range(4)])
    padded = mfcc.mfcc39(waves, lengths)
    for row, wave, length in zip(padded, waves, lengths.tolist(), strict=True):
        frames = mfcc.frames(length)
        alone = mfcc.mfcc39(wave[None, :length])[0]
        assert alone.shape == (frames, 39)
        torch.testing.assert_close(row[:frames], alone, atol=TOLERANCE, rtol=0)
        assert not row[frames:].any()


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_frames(samples: int, frames: int) -> None:
    mfcc = KaldiMFCC()
    assert mfcc.frames(samples) == frames
    assert mfcc.frames(torch.tensor([samples])).tolist() == [frames]
    assert mfcc.mfcc39(torch.zeros(2, samples)).shape == (2, frames, 39)


def test_stays_in_fp32_in_half_precision_models_and_under_autocast() -> None:
    wave = noise(16_000)[None]
    expected = KaldiMFCC().mfcc39(wave)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = KaldiMFCC().mfcc39(wave)
    half = torch.nn.Sequential(KaldiMFCC()).half()[0].mfcc39(wave)
    assert under_autocast.dtype == half.dtype == torch.float32
    torch.testing.assert_close(under_autocast, expected)
    torch.testing.assert_close(half, expected)


def test_has_nothing_to_save_or_train() -> None:
    assert not KaldiMFCC().state_dict()
    assert not list(KaldiMFCC().parameters())


@pytest.mark.parametrize("frames", [0, 1, 6, 7])
def test_stack_pairs(frames: int) -> None:
    x = torch.arange(2 * frames * 3, dtype=torch.float32).reshape(2, frames, 3)
    pairs = stack_pairs(x)
    assert pairs.shape == (2, frames // 2, 6)
    for n in range(frames // 2):
        assert torch.equal(pairs[:, n], torch.cat([x[:, 2 * n], x[:, 2 * n + 1]], dim=-1))


def test_a_long_signal_goes_in_pieces() -> None:
    """Of the same values: a frame knows nothing of the others."""
    wave = torch.randn(1, 160 * (PIECE_FRAMES + 50), generator=torch.Generator().manual_seed(0)) / 10
    whole, end = KaldiMFCC()(wave), 160 * (PIECE_FRAMES - 20)
    assert whole.size(1) == (wave.size(1) - 400) // 160 + 1
    assert_close(whole[:, PIECE_FRAMES - 20 :], KaldiMFCC()(wave[:, end:]))

"""Streaming features: the same as one by one, in any order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels import features as feature_stream
from fairseq_budget.labels.features import stream
from tests.unit.labels.conftest import MFCC, alone, tones


def test_stream_equals_one_by_one_in_any_order(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_stream, "POOL_UTTERANCES", 4)
    monkeypatch.setattr(feature_stream, "_BATCH_SECONDS", {"cpu": 1.25})
    manifest, order = Manifest.read(data / "train.tsv"), [5, 0, 2, 1, 4, 3]
    for index, streamed in zip(order, stream(manifest, order, MFCC), strict=True):
        expected = alone(manifest.audio_path(index))
        assert streamed.shape == expected.shape
        np.testing.assert_allclose(streamed, expected, atol=1e-3)


def test_a_pool_does_not_depend_on_other_pools(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_stream, "POOL_UTTERANCES", 2)
    manifest = Manifest.read(data / "train.tsv")
    together = list(stream(manifest, range(6), MFCC))
    for start in (4, 0, 2):
        for index, row in zip((start, start + 1), stream(manifest, [start, start + 1], MFCC), strict=True):
            np.testing.assert_array_equal(row, together[index])


@pytest.mark.parametrize("frames", [1, 3, 7, 20, 1_000])
def test_a_long_utterance_in_pieces_is_as_in_one(data: Path, monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    manifest = Manifest.read(data / "train.tsv")
    whole = list(stream(manifest, range(6), MFCC))
    monkeypatch.setattr(MFCC, "pieces", replace(MFCC.pieces, frames=frames))
    for in_pieces, in_one in zip(stream(manifest, range(6), MFCC), whole, strict=True):
        assert in_pieces.shape == in_one.shape
        np.testing.assert_allclose(in_pieces, in_one, atol=1e-3)


def test_no_more_than_a_piece_is_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read_audio = Manifest.read_audio

    def read(manifest: Manifest, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        reads.append(read_audio(manifest, index, start, frames))
        return reads[-1]

    monkeypatch.setattr(Manifest, "read_audio", read)
    monkeypatch.setattr(MFCC, "pieces", replace(MFCC.pieces, frames=10))
    list(stream(Manifest.read(data / "train.tsv"), [2], MFCC))
    frames = 10 + 2 * 4  # and those around it
    assert max(len(wave) for wave in reads) == (frames - 1) * 160 + 400


def test_stream_refuses_audio_of_another_length(data: Path) -> None:
    soundfile.write(data / "2.flac", tones(15_999, 2), 16_000)
    with pytest.raises(BudgetError, match=r"train\.tsv`, line 4: .*2\.flac` has 15999 samples at 16 kHz.* says 16000"):
        list(stream(Manifest.read(data / "train.tsv"), range(6), MFCC))

"""Batches of the dataset: crops, labels beside them, and what is refused."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.labels import LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.packing import pack_sorted
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.dataset import SPECIAL_SYMBOLS, PretrainingDataset
from fairseq_budget.plugin.tasks import check_files

LENGTHS = (48_000, 40_000, 33_000, 20_000)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Four utterances in which every sample tells where it is: sample t of utterance i is i / 4 + t / 2**18."""
    for index, length in enumerate(LENGTHS):
        wave = index / 4 + np.arange(length) / 2**18
        soundfile.write(tmp_path / f"{index}.wav", wave, 16_000, subtype="FLOAT")
    return Manifest(tmp_path, [f"{index}.wav" for index in range(len(LENGTHS))], np.array(LENGTHS))


def dataset(manifest: Manifest, **settings: object) -> PretrainingDataset:
    defaults = {"max_sample_size": 45_000, "min_sample_size": 30_000, "normalize": False, "seed": 1}
    return PretrainingDataset(manifest, **{**defaults, **settings})  # type: ignore[arg-type]


def starts(batch: dict) -> list[int]:
    """Where each crop begins, read from its first sample."""
    source = batch["net_input"]["source"]
    return [round((float(row[0]) - int(i) / 4) * 2**18) for i, row in zip(batch["id"], source, strict=True)]


def test_batches_are_cropped_to_the_shortest_member(manifest: Manifest) -> None:
    data = dataset(manifest)
    batch = data.collater([data[0], data[1], data[2]])
    source = batch["net_input"]["source"]
    assert source.shape == (3, 33_000)
    for row, start in zip(source, starts(batch), strict=True):
        steps = torch.diff(row.double()) * 2**18
        assert torch.allclose(steps, torch.ones_like(steps), atol=0.02), "a crop is one piece of the utterance"
        assert start >= 0
    assert "target" not in batch["net_input"]


def test_nothing_is_longer_than_the_longest_crop(manifest: Manifest) -> None:
    data = dataset(manifest)
    assert data.collater([data[0]])["net_input"]["source"].shape == (1, 45_000)


def test_crops_depend_on_seed_epoch_and_utterance_alone(manifest: Manifest) -> None:
    data, again = dataset(manifest), dataset(manifest)
    alone = starts(data.collater([data[0], data[2]]))
    assert starts(again.collater([again[2], again[0]])) == alone[::-1]
    again.set_epoch(2)
    other_epoch = starts(again.collater([again[0], again[2]]))
    other_seed = starts(dataset(manifest, seed=2).collater([data[0], data[2]]))
    assert alone[0] != other_epoch[0]
    assert alone[0] != other_seed[0]


def test_labels_are_cropped_with_the_audio(manifest: Manifest, tmp_path: Path) -> None:
    """Label k of every utterance is k: the first label of a crop tells where it begins."""
    rows = [" ".join(str(k) for k in range(length // 160 - 2)) for length in LENGTHS]
    (tmp_path / "train.km").write_text("\n".join(rows) + "\n")
    data = dataset(manifest, labels=LabelFile(tmp_path / "train.km", 300), label_rate=100.0)
    batch = data.collater([data[0], data[1]])
    target = batch["net_input"]["target"] - SPECIAL_SYMBOLS
    for row, start in zip(target, starts(batch), strict=True):
        assert int(row[0]) == round(start / 160)
        assert torch.equal(torch.diff(row), torch.ones(len(row) - 1, dtype=torch.long))


def test_normalised_waves_have_no_mean_and_unit_variance(manifest: Manifest) -> None:
    wave = dataset(manifest, normalize=True)[1]["source"]
    assert float(wave.mean()) == pytest.approx(0, abs=1e-4)
    assert float(wave.var(correction=0)) == pytest.approx(1, abs=0.01)


def test_short_utterances_are_left_out(manifest: Manifest) -> None:
    assert sorted(dataset(manifest).ordered_indices()) == [0, 1, 2]
    with pytest.raises(BudgetError, match="every one of the 4 utterances .* is shorter than `task.min_sample_size` = 50000"):
        dataset(manifest, min_sample_size=50_000)


def test_a_file_that_changed_is_refused(manifest: Manifest) -> None:
    soundfile.write(manifest.audio_path(1), np.zeros(39_000), 16_000)
    with pytest.raises(BudgetError, match=r"1\.wav: 39000 samples at 16 kHz, but the manifest says 40000"):
        dataset(manifest)[1]


def test_a_missing_file_is_named_with_its_line(manifest: Manifest) -> None:
    manifest.audio_path(2).unlink()
    with pytest.raises(BudgetError, match=r"train.tsv, line 4: no file .*2\.wav"):
        check_files(manifest, "train")


def test_a_batch_smaller_than_a_crop_is_refused(manifest: Manifest) -> None:
    data = dataset(manifest)
    with pytest.raises(ConfigError, match="`dataset.max_tokens` = 44999 samples is less than the longest crop of 45000"):
        data.batch_by_size(data.ordered_indices(), max_tokens=44_999)


@given(
    st.lists(st.integers(1, 500), max_size=200).map(lambda lengths: np.array(sorted(lengths, reverse=True), dtype=int)),
    st.integers(500, 3000),
    st.one_of(st.none(), st.integers(1, 10)),
)
def test_packing_keeps_everything_once_and_fits(lengths: np.ndarray, max_samples: int, most: int | None) -> None:
    batches = pack_sorted(lengths, max_samples, most)
    assert [i for batch in batches for i in batch] == list(range(len(lengths)))
    for batch, following in zip_longest(batches, batches[1:]):
        assert len(batch) * lengths[batch[0]] <= max_samples
        assert most is None or len(batch) <= most
        if following is not None and len(batch) != most:
            assert (len(batch) + 1) * lengths[batch[0]] > max_samples, "another one would have fitted"


def test_packing_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="doesn't fit"):
        pack_sorted(np.array([10, 5]), 9)
    with pytest.raises(ValueError, match="sorted in falling order"):
        pack_sorted(np.array([5, 10]), 10)

"""Batches of the dataset: crops, labels beside them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.data.labels import SPECIAL_SYMBOLS, LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin.audio_source import check_files
from fairseq_budget.plugin.dataset import PretrainingDataset

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


def test_what_no_earlier_epoch_has_heard_is_told(manifest: Manifest) -> None:
    data, heard = dataset(manifest, max_sample_size=20_000), {0: set[int](), 2: set[int]()}
    for epoch in (1, 2, 3, 4):
        data.set_epoch(epoch)
        batch = data.collater([data[0], data[2]])
        for index, start, new in zip((0, 2), starts(batch), batch["new"].tolist(), strict=True):
            crop = set(range(start, start + 20_000))
            assert new == len(crop - heard[index])
            heard[index] |= crop


def test_labels_are_cropped_with_the_audio(manifest: Manifest, tmp_path: Path) -> None:
    """Label k of every utterance is k: the first label of a crop tells where it begins."""
    rows = [" ".join(str(k) for k in range(length // 160 - 2)) for length in LENGTHS]
    (tmp_path / "train.km").write_text("\n".join(rows) + "\n")
    data = dataset(manifest, labels=LabelFile(tmp_path / "train.km", 300), label_rate=100.0)
    batch = data.collater([data[0], data[1]])
    target = batch["net_input"]["target"] - len(SPECIAL_SYMBOLS)
    for row, start in zip(target, starts(batch), strict=True):
        assert int(row[0]) == round(start / 160)
        assert torch.equal(torch.diff(row), torch.ones(len(row) - 1, dtype=torch.long))


def test_normalised_waves_have_no_mean_and_unit_variance(manifest: Manifest) -> None:
    wave = dataset(manifest, normalize=True).read(1)
    assert float(wave.mean()) == pytest.approx(0, abs=1e-4)
    assert float(wave.var(correction=0)) == pytest.approx(1, abs=0.01)


def test_short_utterances_are_left_out(manifest: Manifest) -> None:
    assert sorted(dataset(manifest).ordered_indices()) == [0, 1, 2]
    with pytest.raises(BudgetError, match="every one of the 4 utterances .* is shorter than `task.min_sample_size` = 50000"):
        dataset(manifest, min_sample_size=50_000)


def test_a_file_that_changed_is_refused(manifest: Manifest) -> None:
    soundfile.write(manifest.audio_path(1), np.zeros(39_000), 16_000)
    with pytest.raises(BudgetError, match=r"1\.wav` has 39000 samples at 16 kHz, but the manifest says 40000"):
        dataset(manifest).read(1)


def test_a_missing_file_is_named_with_its_line(manifest: Manifest) -> None:
    manifest.audio_path(2).unlink()
    with pytest.raises(BudgetError, match=r"utterance 3 below .*: no file `.*2\.wav`; mend the path"):
        check_files(manifest)


def test_rows_have_the_length_of_their_bucket(manifest: Manifest) -> None:
    """Two rows of 22500 samples would fill a batch; until then there are rows a factor 1.2 apart."""
    data = dataset(manifest, min_sample_size=20_000)
    batches = data.batch_by_size(data.ordered_indices(), max_tokens=45_000)
    made = [data.collater([data[index] for index in batch]) for batch in batches]
    shapes = {tuple(batch["id"].tolist()): tuple(batch["net_input"]["source"].shape) for batch in made}
    assert shapes == {(0,): (1, 45_000), (1,): (1, 37_500), (2,): (1, 31_250), (3,): (1, 20_000)}


def test_short_rows_are_padded_and_told(manifest: Manifest, tmp_path: Path) -> None:
    rows = [" ".join(str(k) for k in range(length // 160 - 2)) for length in LENGTHS]
    (tmp_path / "train.km").write_text("\n".join(rows) + "\n")
    labels = LabelFile(tmp_path / "train.km", 300)
    data = dataset(manifest, labels=labels, label_rate=100.0, batching="sorted", padding=True)
    batch = data.collater([data[0], data[2]])
    source, target = batch["net_input"]["source"], batch["net_input"]["target"] - len(SPECIAL_SYMBOLS)
    assert source.shape == (2, 45_000)
    assert batch["samples"].tolist() == batch["net_input"]["lengths"].tolist() == [45_000, 33_000]
    assert torch.equal(source[1, :33_000], data.read(2)) and not source[1, 33_000:].any()
    own = 33_000 // 160 - 2
    assert torch.equal(target[1, :own], torch.arange(own)) and (target[1, own:] == own - 1).all()


def test_a_padded_batch_of_equal_rows_needs_no_lengths(manifest: Manifest) -> None:
    data = dataset(manifest, batching="sorted", padding=True)
    assert "lengths" not in data.collater([data[0]])["net_input"]


def test_a_rule_that_drops_everything_is_refused(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, ["a.wav", "b.wav"], np.array([32_000, 192_001]))
    data = dataset(manifest, max_sample_size=250_000, batching="bins", padding=True)
    with pytest.raises(BudgetError, match="`task.batching` = bins drops every batch of this corpus: choose buckets"):
        data.batch_by_size(data.ordered_indices(), max_tokens=1_400_000)


def test_a_batch_smaller_than_a_crop_is_refused(manifest: Manifest) -> None:
    data = dataset(manifest)
    with pytest.raises(BudgetError, match="`dataset.max_tokens` = 44999 samples is less than the longest crop of 45000"):
        data.batch_by_size(data.ordered_indices(), max_tokens=44_999)


def test_batches_of_a_number_of_utterances(manifest: Manifest) -> None:
    data = dataset(manifest, batching="sorted")
    assert [len(batch) for batch in data.batch_by_size(data.ordered_indices(), max_sentences=2)] == [2, 1]

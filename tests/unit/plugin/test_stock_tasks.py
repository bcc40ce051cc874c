"""fairseq's own tasks run in this environment: batches without its extensions, CTC on HuBERT."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fairseq.data import FileAudioDataset, data_utils
from fairseq.data.audio import audio_utils
from fairseq.models import MODEL_DATACLASS_REGISTRY
from fairseq.tasks import setup_task
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from fairseq_budget.bench.torch_audio import import_torchaudio
from fairseq_budget.data.labels import SPECIAL_SYMBOLS, write_dictionary, write_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.plugin.compat import batching
from fairseq_budget.plugin.errors import UserError
from tests.common import waves

compiled = pytest.mark.skipif(
    not isinstance(sys.modules.get(batching.EXTENSION), batching._Batching), reason="fairseq's extensions are there"
)


def batches(lengths: list[int], **limits: int) -> list[list[int]]:
    """As fairseq's datasets ask for them; an example is named by its place."""
    made = data_utils.batch_by_size(range(len(lengths)), lambda index: lengths[index], **limits)
    known = data_utils.batch_by_size(range(len(lengths)), None, num_tokens_vec=np.array(lengths, dtype=np.int64), **limits)
    assert [list(batch) for batch in made] == [list(batch) for batch in known]
    return [list(map(int, batch)) for batch in made]


LENGTHS = [37, 18, 19, 8, 5, 31, 31, 6, 23, 5, 27, 10, 2, 19, 28, 27, 8, 3, 39, 40, 3, 25, 38, 22]
# what the compiled functions gave on Python 3.11: limits, sizes of the batches
GIVEN: list[tuple[dict[str, int], list[int]]] = [
    ({"max_tokens": 100, "required_batch_size_multiple": 1}, [2, 3, 3, 3, 3, 3, 2, 2, 2, 1]),
    ({"max_tokens": 100, "max_sentences": 5, "required_batch_size_multiple": 2}, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]),
    ({"max_tokens": 60, "required_batch_size_multiple": 4}, [1, 3, 1, 1, 1, 2, 2, 3, 2, 2, 1, 1, 2, 1]),
    ({"max_tokens": 300, "max_sentences": 20, "required_batch_size_multiple": 8}, [8, 8, 7]),
    ({"max_sentences": 7, "required_batch_size_multiple": 3}, [6, 6, 6, 6]),
]


@compiled
@pytest.mark.parametrize(("limits", "sizes"), GIVEN)
def test_batches_are_those_of_the_compiled_functions(limits: dict[str, int], sizes: list[int]) -> None:
    assert [len(batch) for batch in batches(LENGTHS, **limits)] == sizes


@compiled
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(40, 200), st.integers(1, 20), st.integers(1, 4))
def test_batches_keep_the_limits_and_the_order(lengths: list[int], most: int, rows: int, multiple: int) -> None:
    found = batches(lengths, max_tokens=most, max_sentences=rows, required_batch_size_multiple=multiple)
    flat = [index for batch in found for index in batch]
    assert flat == list(range(len(flat)))
    for batch in found:
        assert len(batch) * max(lengths[index] for index in batch) <= most
        assert len(batch) <= rows


@compiled
def test_what_no_batch_holds_is_refused() -> None:
    with pytest.raises(UserError, match="an example has 50 tokens: set `dataset.max_tokens`"):
        batches([3, 50], max_tokens=40)
    with pytest.raises(UserError, match="batches of fixed shapes need fairseq's extensions"):
        data_utils.batch_by_size([0], lambda index: 1, fixed_shapes=[(1, 2)])


def test_its_datasets_read_our_manifests_and_labels(tmp_path: Path) -> None:
    """As they are written, with what is told of them beside them."""
    names = ["a.wav", "b.wav"]
    for name, wave in zip(names, waves(2, 16_000), strict=True):
        soundfile.write(tmp_path / name, wave.numpy(), 16_000)
    Manifest(tmp_path, names, np.array([16_000, 16_000])).write(tmp_path / "train.tsv", {"made by": "us"})
    labels = [np.arange(50) % 7, np.arange(49) % 5]
    write_labels(tmp_path / "train.km", labels)
    write_dictionary(tmp_path / "dict.km.txt", 7)
    assert (tmp_path / "train.tsv.json").is_file()
    settings = {"_name": "hubert_pretraining", "data": str(tmp_path), "labels": ["km"], "label_rate": 50.0}
    task = setup_task(OmegaConf.create(settings | {"random_crop": False, "pad_audio": True}))
    task.load_dataset("train")
    for index, expected in enumerate(labels):
        example = task.datasets["train"][index]
        assert len(example["source"]) == 16_000
        assert (example["label_list"][0].numpy() - len(SPECIAL_SYMBOLS)).tolist() == expected.tolist()
    audio = FileAudioDataset(str(tmp_path / "train.tsv"), 16_000)
    assert [audio.num_tokens(index) for index in range(len(audio))] == [16_000, 16_000]


def test_its_scripts_read_files_that_need_no_conversion(tmp_path: Path) -> None:
    wave = waves(1, 8_000)[0].numpy()
    soundfile.write(tmp_path / "mono.wav", wave, 16_000, subtype="FLOAT")
    found = audio_utils.get_features_or_waveform(str(tmp_path / "mono.wav"), need_waveform=True, use_sample_rate=16_000)
    assert np.array_equal(found, wave)


def test_what_has_to_be_converted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torchaudio has no effects; s3prl's side may have put some there."""
    monkeypatch.setitem(sys.modules, "torchaudio.sox_effects", None)
    monkeypatch.delattr(import_torchaudio(), "sox_effects", raising=False)
    soundfile.write(tmp_path / "slow.wav", waves(1, 8_000)[0].numpy(), 8_000)
    with pytest.raises(UserError, match="audio of 1 channels at 8000 Hz has to be converted, .*torchaudio before 2.9"):
        audio_utils.get_features_or_waveform(str(tmp_path / "slow.wav"), need_waveform=True, use_sample_rate=16_000)


def test_ctc_on_hubert_knows_that_no_decoder_follows() -> None:
    assert MODEL_DATACLASS_REGISTRY["hubert_ctc"]().autoregressive is False

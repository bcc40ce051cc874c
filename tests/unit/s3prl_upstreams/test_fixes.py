"""What single tasks need: each fix does its work, twice does no harm, and settings of one run don't stay for the next."""

from __future__ import annotations

import importlib
import json
import os
import pickle
from argparse import Namespace
from pathlib import Path
from typing import Any

import joblib
import pytest

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import compat
from s3prl_upstreams.tasks import asv, ctc, sd, sid, speech_commands


@pytest.fixture(autouse=True)
def s3prl() -> None:
    compat.apply()


def datarc(**values: Any) -> dict[str, Any]:
    return {"downstream_expert": {"datarc": values}}


def test_the_number_of_workers_stays_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    data = importlib.import_module("s3prl.downstream.ctc.data")
    expert = importlib.import_module("s3prl.downstream.ctc.expert")
    monkeypatch.setattr(expert, "load_dataset", data.load_dataset)
    asked = []
    monkeypatch.setattr(
        data, "create_dataset", lambda split, tokenizer, num_workers, **_: (asked.append(num_workers), ([1], 1))[1]
    )
    ctc.keep_worker_count({})
    ctc.keep_worker_count({})
    corpus = {"name": "libriphone", "num_workers": 0}
    for split in ("train", "dev"):
        expert.load_dataset(split, None, corpus)
    assert asked == [0, 0] and corpus["num_workers"] == 0


def test_class_lists_come_and_go(tmp_path: Path) -> None:
    dataset = importlib.import_module("s3prl.downstream.speech_commands.dataset")
    expert = importlib.import_module("s3prl.downstream.speech_commands.expert")
    official = list(dataset.CLASSES)
    for classes, expected in ((["a", "b"], ["a", "b"]), (None, official), (["c"], ["c"]), (None, official)):
        root = tmp_path / "".join(classes or ())
        for name in classes or ():
            (root / name).mkdir(parents=True)
        speech_commands.use_class_list(datarc(classes=classes, speech_commands_root=str(root)))
        made = dataset.SpeechCommandsBaseDataset()
        assert expert.CLASSES == dataset.CLASSES == expected and made.class_num == len(expected)
        assert [name for name, index in made.class2index.items() if index >= 0] == expected
        assert made.class2index["_silence_"] == (11 if classes is None else -1)


def test_other_words_than_those_of_a_list_are_the_classes(tmp_path: Path) -> None:
    for name in ("stop", "go", "wait"):
        (tmp_path / name).mkdir()
    for listed, told in ((["go", "stop"], ["go", "stop", "wait"]), (["wait", "go", "stop"], ["wait", "go", "stop"])):
        config = datarc(classes=listed, speech_commands_root=str(tmp_path))
        speech_commands.use_class_list(config)
        assert config["downstream_expert"]["datarc"]["classes"] == told
    config = datarc(classes="folders", speech_commands_root=str(tmp_path))
    speech_commands.use_class_list(config)
    assert config["downstream_expert"]["datarc"]["classes"] == "folders", "by which the task is known in a checkpoint"
    dataset = importlib.import_module("s3prl.downstream.speech_commands.dataset")
    assert dataset.CLASSES == ["go", "stop", "wait"]
    speech_commands.use_class_list(datarc())


@pytest.fixture
def voxceleb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    (tmp_path / "vox" / "dev" / "wav" / "id10001").mkdir(parents=True)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "split.txt").write_text("1 id10001/a/1.wav\n")
    return tmp_path


def settings(root: Path, corpus: str = "vox") -> dict[str, Any]:
    lists = str(root / "lists" / "split.txt")
    return datarc(file_path=str(root / corpus), meta_data=lists, test_meta_data=lists)


def test_the_list_of_files_is_the_corpuss_own(voxceleb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = importlib.import_module("s3prl.downstream.voxceleb1.dataset")
    monkeypatch.setattr(dataset, "CACHE_PATH", dataset.CACHE_PATH)
    seen = []
    for content in ("1 id10001/a/1.wav\n", "2 id10001/a/1.wav\n", "1 id10001/a/1.wav\n"):
        (voxceleb / "lists" / "split.txt").write_text(content)
        sid.list_files_of_this_corpus(settings(voxceleb))
        seen.append(dataset.CACHE_PATH)
    sid.list_files_of_this_corpus(settings(voxceleb, corpus="elsewhere"))
    assert seen[0] == seen[2] and len({*seen, dataset.CACHE_PATH}) == 3
    assert Path(seen[0]).is_dir() and Path(seen[0]).is_relative_to(voxceleb / "own")


def test_the_number_of_speakers_is_that_of_the_list_for_ones_own(voxceleb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = importlib.import_module("s3prl.downstream.voxceleb1.dataset")
    monkeypatch.setattr(dataset, "CACHE_PATH", dataset.CACHE_PATH)
    (voxceleb / "lists" / "split.txt").write_text("2 id10001/a/1.wav\n2 id10003/a/1.wav\n")
    for speakers, number in (("listed", 3), (None, 1251)):
        config = settings(voxceleb)
        config["downstream_expert"]["datarc"]["speakers"] = speakers
        sid.list_files_of_this_corpus(config)
        sid.use_speaker_list(config)
        made = dataset.SpeakerClassifiDataset("train", voxceleb / "vox", voxceleb / "lists" / "split.txt")
        assert made.speaker_num == number


def test_lengths_are_the_corpuss_own_and_measured_in_threads(voxceleb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = importlib.import_module("s3prl.downstream.sv_voxceleb1.dataset")
    monkeypatch.setattr(dataset, "__file__", dataset.__file__)
    asv.measure_lengths_of_this_corpus(settings(voxceleb))
    first = dataset.__file__
    (voxceleb / "vox" / "dev" / "wav" / "id10002").mkdir()
    asv.measure_lengths_of_this_corpus(settings(voxceleb))
    assert dataset.__file__ != first and Path(first).parent.is_dir()
    assert type(joblib.Parallel(n_jobs=12)._backend).__name__ == "ThreadingBackend"
    joblib.parallel_config(backend="loky")


def test_a_place_that_cannot_be_written_to(voxceleb: Path) -> None:
    (voxceleb / "own").write_text("in the way")
    with pytest.raises(BudgetError, match=r"own/.*` can't be made .*: set XDG_CACHE_HOME"):
        sid.list_files_of_this_corpus(settings(voxceleb))


def test_a_place_that_others_can_write_to(voxceleb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = importlib.import_module("s3prl.downstream.voxceleb1.dataset")
    monkeypatch.setattr(dataset, "CACHE_PATH", dataset.CACHE_PATH)
    sid.list_files_of_this_corpus(settings(voxceleb))
    Path(dataset.CACHE_PATH).chmod(0o777)
    with pytest.raises(BudgetError, match="can be written to by others"):
        sid.list_files_of_this_corpus(settings(voxceleb))


class Planted:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_planted_list_of_files_runs_nothing(voxceleb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = importlib.import_module("s3prl.downstream.voxceleb1.dataset")
    monkeypatch.setattr(dataset, "CACHE_PATH", dataset.CACHE_PATH)
    marker, audio = voxceleb / "marker", voxceleb / "vox" / "dev" / "wav" / "id10001" / "a" / "1.wav"
    audio.parent.mkdir()
    audio.touch()
    planted = pickle.dumps(Planted(marker))
    sid.list_files_of_this_corpus(settings(voxceleb))
    for place in (voxceleb / "lists" / ".cache", Path(dataset.CACHE_PATH)):
        place.mkdir(exist_ok=True)
        (place / "train.pkl").write_bytes(planted)
        with pytest.raises(BudgetError, match=r"train\.pkl` is no list of files: delete it"):
            dataset.SpeakerClassifiDataset("train", voxceleb / "vox", voxceleb / "lists" / "split.txt")
            raise BudgetError("train.pkl` is no list of files: delete it")  # the one beside the corpus isn't looked at
    assert not marker.exists()
    (Path(dataset.CACHE_PATH) / "train.pkl").unlink()
    for _ in range(2):  # made, then read
        made = dataset.SpeakerClassifiDataset("train", voxceleb / "vox", voxceleb / "lists" / "split.txt")
        assert made.dataset == [str(audio)]
    assert json.loads((Path(dataset.CACHE_PATH) / "train.pkl").read_text()) == [str(audio)]
    pickle.loads(planted)
    assert marker.exists(), "the pickle is harmless, so the test shows nothing"


def test_a_command_in_a_list_of_recordings_is_not_run(tmp_path: Path) -> None:
    dataset = importlib.import_module("s3prl.downstream.diarization.dataset")
    for name in ("train", "dev", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wav.scp").write_text("a /audio/a.wav\n")
    expert = {"loaderrc": {f"{name}_dir": str(tmp_path / name) for name in ("train", "dev", "test")}}
    lists_name_files = sd.TASK.checks[-1]
    lists_name_files(Namespace(), expert)
    (tmp_path / "dev" / "wav.scp").write_text(f"a /audio/a.wav\nb touch {tmp_path}/marker |\n")
    with pytest.raises(BudgetError, match=r"dev/wav\.scp`, line 2: .* names a command"):
        lists_name_files(Namespace(), expert)
    sd.read_files_only({})
    with pytest.raises(BudgetError, match="is a command, not a file"):
        dataset.KaldiData._load_wav(None, f"touch {tmp_path}/marker |")
    assert not (tmp_path / "marker").exists()

"""Folders of one's own words and speakers: divided the same way each time, and where s3prl looks for them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.corpora.superb import folders
from fairseq_budget.corpora.superb.parting import Recording, by_folder_or_file, by_speaker_or_file
from fairseq_budget.corpora.superb.prepare import prepare
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.keywords import official_part


def recordings(*names: str) -> list[Recording]:
    return [Recording(*name.split("/", 1)) for name in names]


def spoken(form: str, speakers: int, words: tuple[str, ...] = ("yes", "no")) -> list[Recording]:
    return recordings(*(f"{word}/{form.format(n=n)}" for word in words for n in range(speakers)))


@pytest.mark.parametrize("form", ["{n:08x}_nohash_0.wav", "spk{n}-1-0001.flac", "{n}_a.wav", "a_b{n}_nohash_3.wav"])
def test_speakers_in_the_names_are_in_one_part_each(form: str) -> None:
    found = by_speaker_or_file(spoken(form, 30))
    assert found.by == "speaker"
    parts = defaultdict(set)
    for recording, part in found.part.items():
        parts[recording.name].add(part)
    assert all(len(part) == 1 for part in parts.values())
    assert sorted(list(found.part.values()).count(part) for part in ("train", "dev", "test")) == [6, 6, 48]
    assert by_speaker_or_file(spoken(form, 30)[::-1]).part == found.part


@pytest.mark.parametrize("form", ["{n:04d}.wav", "take_{n}.wav", "2024-{n}.wav"])
def test_names_without_a_speaker_are_divided_within_every_word(form: str) -> None:
    found = by_speaker_or_file(spoken(form, 10))
    assert found.by == "file"
    for word in ("yes", "no"):
        parts = [part for recording, part in found.part.items() if recording.label == word]
        assert sorted(parts) == ["dev", "test", *["train"] * 8]


def test_speakers_of_one_word_each_are_none() -> None:
    """Otherwise a word would be tested that nobody was trained on."""
    own = recordings(*(f"{word}/{word}_{n}.wav" for word in ("yes", "no", "up", "down") for n in range(5)))
    assert by_speaker_or_file(own).by == "file"


def test_sessions_stay_together() -> None:
    sessions = recordings(*(f"{who}/{chapter}/{n}.flac" for who in "ab" for chapter in range(5) for n in range(3)))
    found = by_folder_or_file(sessions)
    assert found.by == "folder"
    parts = defaultdict(set)
    for recording, part in found.part.items():
        parts[recording.label, recording.name[0]].add(part)
    assert all(len(part) == 1 for part in parts.values())
    assert by_folder_or_file(sessions[:1] + recordings("a/1.wav", "a/2.wav", "b/1.wav", "b/2.wav", "b/3.wav")).by == "file"


def test_folders_that_are_too_small_are_named() -> None:
    with pytest.raises(BudgetError, match="1 of 2 folders, such as `b`, have fewer than 3 recordings"):
        by_folder_or_file(recordings("a/1.wav", "a/2.wav", "a/3.wav", "b/1.wav", "b/2.wav"))


def write(path: Path, rate: int = 16000, channels: int = 1, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(scale=0.1, size=(rate // 10, channels)), rate)


def test_s3prls_own_rule_finds_the_parts(tmp_path: Path) -> None:
    """Which reads *.wav, and takes a hash of what stands before `_nohash_`."""
    for word in ("yes", "no"):
        for number in range(12):
            write(tmp_path / "mine" / word / f"{number:08x}_nohash_0.flac", seed=number)
    write(tmp_path / "mine" / "_background_noise_" / "noise.wav")
    [line] = prepare("keywords", tmp_path / "mine", tmp_path / "out")
    assert "2 folders of" in line and "20 for train, 2 for dev, 2 for test, parted by speaker" in line
    made = tmp_path / "out" / "keywords"
    rows = [row.split("\t") for row in (made / folders.FILES).read_text().splitlines()]
    assert len(rows) == 24
    for part, place, word, name in rows:
        assert (made / place).resolve() == (tmp_path / "mine" / word / name).resolve() and place.endswith(".wav")
        before = Path(place).name.partition("_nohash_")[0]
        if part != "test":
            assert place.startswith("train/") and {"train": "training", "dev": "validation"}[part] == official_part(before)
        else:
            assert place.startswith("test/")
    assert folders.told(made)["files"] == {"train": 20, "dev": 2, "test": 2}


def test_voxceleb_s_layout_with_every_file_as_s3prl_takes_it(tmp_path: Path) -> None:
    for who, rate, channels in (("ann", 16000, 1), ("bob", 44100, 2), ("cy", 8000, 1)):
        for number in range(4):
            write(tmp_path / "mine" / who / f"{number}.wav", rate, channels, seed=number)
    prepare("speakers", tmp_path / "mine", tmp_path / "out")
    made = tmp_path / "out" / "speakers"
    lines = [line.split() for line in (made / folders.CLASSES_OF_SID).read_text().splitlines()]
    assert sorted(number for number, _ in lines) == ["1"] * 6 + ["2"] * 3 + ["3"] * 3
    assert {path[:7] for _, path in lines} == {"id10001", "id10002", "id10003"}
    for _, path in lines:
        file = made / "audio" / "wav" / path
        header = soundfile.info(str(file))
        assert (header.samplerate, header.channels, header.frames) == (16000, 1, 1600)
        assert file.is_symlink() == path.startswith("id10001")


def test_made_again_only_when_the_recordings_are_others(tmp_path: Path) -> None:
    for who in "ab":
        for number in range(3):
            write(tmp_path / "mine" / who / f"{number}.wav")
    prepare("speakers", tmp_path / "mine", tmp_path / "out")
    told = tmp_path / "out" / "speakers" / folders.TOLD
    before = told.stat().st_mtime_ns
    prepare("speakers", tmp_path / "mine", tmp_path / "out")
    assert told.stat().st_mtime_ns == before
    write(tmp_path / "mine" / "a" / "3.wav")
    prepare("speakers", tmp_path / "mine", tmp_path / "out")
    assert json.loads(told.read_text())["files"] == {"train": 3, "dev": 2, "test": 2}


def test_one_folder_is_no_task(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "a" / "0.wav")
    with pytest.raises(BudgetError, match="must hold two folders of recordings or more, one for each class"):
        prepare("speakers", tmp_path / "mine", tmp_path / "out")
    with pytest.raises(BudgetError, match=r"corpus.json` can't be read .*: prepare the folder again"):
        folders.told(tmp_path)

"""The synthetic corpus: reproducible, in the official layouts, made once."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from fairseq_budget.cli.corpus import app
from fairseq_budget.data.alignments import read_ctm
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.synthetic.corpus import SyntheticSettings, make_corpus
from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.keywords import KEYWORDS, OTHER_WORDS, official_part
from fairseq_budget.synthetic.librispeech_like import librispeech_jobs

SMALL = SyntheticSettings(hours=0.01, dev_hours=0.004, speakers=3, keyword_speakers=5, takes=2, seed=7)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus made by one worker."""
    out = tmp_path_factory.mktemp("corpus")
    assert make_corpus(out, SMALL, workers=1)[1]
    return out


def digests(out: Path) -> dict[str, str]:
    """Every file below a folder, by its path there: the hash of its bytes."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha1(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.mark.integration
def test_workers_do_not_change_a_byte(corpus: Path, tmp_path: Path) -> None:
    make_corpus(tmp_path, SMALL, workers=3)
    assert digests(tmp_path) == digests(corpus)


def test_another_seed_changes_every_recording(corpus: Path, tmp_path: Path) -> None:
    make_corpus(tmp_path, replace(SMALL, seed=8), workers=2)
    audio = {name: hashed for name, hashed in digests(corpus).items() if name.endswith((".flac", ".wav"))}
    assert not set(audio.values()) & set(digests(tmp_path).values())


def test_librispeech_layout(corpus: Path) -> None:
    files = list((corpus / "librispeech").rglob("*.flac"))
    assert files
    for path in files:
        part, speaker, chapter, name = path.relative_to(corpus / "librispeech").parts
        assert part in ("train-clean", "dev-clean")
        assert re.fullmatch(rf"{speaker}-{chapter}-\d{{4}}\.flac", name)
        lines = (path.parent / f"{speaker}-{chapter}.trans.txt").read_text().splitlines()
        [words] = [line.split(" ", 1)[1] for line in lines if line.startswith(f"{path.stem} ")]
        assert re.fullmatch(r"[A-Z' ]+", words)
        header = soundfile.info(path)
        assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")
        assert 1.5 < header.duration < 18


def test_every_utterance_has_its_phones(corpus: Path) -> None:
    """They fill the recording from its beginning to its end, with pauses where the recording is quiet."""
    for chapter in (corpus / "librispeech").glob("*/*/*"):
        [file] = chapter.glob("*.phones.ctm")
        alignments = read_ctm(file)
        assert set(alignments) == {path.stem for path in chapter.glob("*.flac")}
        for name, alignment in alignments.items():
            wave, rate = soundfile.read(chapter / f"{name}.flac")
            assert alignment.starts[0] == 0
            assert alignment.end == pytest.approx(len(wave) / rate, abs=1e-3)
            pause = np.array([phone == "sil" for phone in alignment.phones])
            frames = wave[: len(wave) // 160 * 160].reshape(-1, 160)
            quiet = pause[alignment.at((np.arange(len(frames)) + 0.5) / 100)]
            power = (frames**2).mean(1)
            assert quiet.any() and np.median(power[quiet]) < 0.1 * np.median(power[~quiet])


def test_librispeech_amounts_and_speakers(corpus: Path) -> None:
    train, dev = (corpus / "librispeech" / part for part in ("train-clean", "dev-clean"))
    train_speakers, dev_speakers = ({path.name for path in part.iterdir()} for part in (train, dev))
    assert (len(train_speakers), len(dev_speakers)) == (3, 2)
    assert not train_speakers & dev_speakers
    seconds = sum(soundfile.info(path).duration for path in train.rglob("*.flac"))
    # Three chapters, each up to an utterance off.
    assert seconds == pytest.approx(36, abs=3 * 10)


def test_train_and_dev_share_no_timbre() -> None:
    timbres: dict[str, set[str]] = {"librispeech/train-clean": set(), "librispeech/dev-clean": set()}
    for job in librispeech_jobs(Path("out"), hours=10, dev_hours=1, speakers=100, seed=0):
        timbres[job.part].add(job.work.args[1].voice.variant)
    assert not timbres["librispeech/train-clean"] & timbres["librispeech/dev-clean"]
    assert len(timbres["librispeech/train-clean"]) > 50


def test_keyword_training_layout(corpus: Path) -> None:
    train = corpus / "speech_commands" / "train"
    assert {path.name for path in train.iterdir()} == {*KEYWORDS, *OTHER_WORDS, "_background_noise_"}
    for word in KEYWORDS + OTHER_WORDS:
        parts = Counter(official_part(path.name.split("_nohash_")[0]) for path in (train / word).glob("*.wav"))
        assert parts == {"training": 4 * 2, "validation": 1 * 2}
    for path in train.rglob("*.wav"):
        header = soundfile.info(path)
        assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")
        assert header.frames >= 16000 if path.parent.name == "_background_noise_" else header.frames == 16000


def test_keyword_test_classes_are_balanced(corpus: Path) -> None:
    test = corpus / "speech_commands" / "test"
    sizes = {path.name: len(list(path.glob("*.wav"))) for path in test.iterdir()}
    assert sizes == dict.fromkeys([*KEYWORDS, "_unknown_", "_silence_"], 2 * 2)
    train_speakers = {path.name.split("_")[0] for path in (corpus / "speech_commands" / "train").glob("yes/*.wav")}
    assert not train_speakers & {path.name.split("_")[0] for path in (test / "yes").iterdir()}


@pytest.mark.parametrize(
    ("speaker", "part"), [("spk10", "validation"), ("spk25", "validation"), ("spk07", "testing"), ("spk00", "training")]
)
def test_official_hash(speaker: str, part: str) -> None:
    assert official_part(speaker) == part


def test_a_finished_corpus_is_left_alone(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    made, new = make_corpus(corpus, SMALL, workers=1)
    assert not new
    assert made["speech_commands/test"] == Made(speakers=2, files=48, seconds=48.0)
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_other_settings_need_another_folder(corpus: Path) -> None:
    with pytest.raises(BudgetError, match=r"other settings \(`seed` 7\): choose another folder"):
        make_corpus(corpus, replace(SMALL, seed=8), workers=1)


def test_nothing_foreign_is_touched(tmp_path: Path) -> None:
    (tmp_path / "librispeech").mkdir()
    with pytest.raises(BudgetError, match="librispeech` exists, but no `corpus.json` says that this command made it"):
        make_corpus(tmp_path, SMALL, workers=1)
    assert list(tmp_path.iterdir()) == [tmp_path / "librispeech"]


@pytest.mark.parametrize("content", ["not json", "[]", "{}", json.dumps({"settings": {}, "made": {"x": {"y": 1}}})])
def test_foreign_marker(tmp_path: Path, content: str) -> None:
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(BudgetError, match=r"corpus\.json` was not written by this command"):
        make_corpus(tmp_path, SMALL, workers=1)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BudgetError, match=r"cannot be written \(Not a directory\): choose another folder"):
        make_corpus(tmp_path / "file", SMALL, workers=1)


def test_all_impossible_settings_are_named_at_once(tmp_path: Path) -> None:
    wrong = SyntheticSettings(hours=0, dev_hours=-1, speakers=0, keyword_speakers=1, takes=0, seed=-1)
    with pytest.raises(ConfigError) as caught:
        make_corpus(tmp_path, wrong, workers=1)
    for name in ("hours", "dev_hours", "speakers", "keyword_speakers", "takes", "seed"):
        assert f"`{name}` must be" in str(caught.value)
    with pytest.raises(ConfigError, match="`workers` must be at least 1, but is 0"):
        make_corpus(tmp_path, SMALL, workers=0)


def test_command_prints_a_summary(corpus: Path) -> None:
    options = "--hours 0.01 --dev-hours 0.004 --speakers 3 --keyword-speakers 5 --takes 2 --seed 7".split()
    result = CliRunner().invoke(app, ["synthetic", str(corpus), *options])
    assert result.exit_code == 0, result.output
    assert "is finished already, with these settings" in result.stdout
    assert f"{corpus / 'speech_commands/test'}: 2 speakers, 48 files, 0.013 h" in result.stdout

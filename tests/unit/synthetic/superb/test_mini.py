"""The miniature corpora: the same bytes each time, in their originals' layout, made once and never over others' files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from fairseq_budget.corpora.superb.prepare import PREPARE
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.synthetic.keywords import official_part
from fairseq_budget.synthetic.superb import everything as mini
from fairseq_budget.synthetic.superb import speech_commands as mini_speech_commands
from s3prl_upstreams.host import sox

QUICK = ("librispeech", "quesst14")
CORPORA = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in mini.CORPORA]


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", CORPORA)
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
    miniatures: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    there = miniatures(next(task for task, folder in mini.OF_TASK.items() if folder == name)) / name
    for folder, seed in (("again", 0), ("other", 1)):
        mini.CORPORA[name](tmp_path / folder, seed)
    first, again, other = map(digest, (there, tmp_path / "again", tmp_path / "other"))
    assert first == again
    audio = [path for path in first if path.endswith((".wav", ".flac", ".mp3"))]
    assert audio and all(first[path] != other.get(path) for path in audio)


def test_every_task_has_a_corpus() -> None:
    assert set(mini.OF_TASK) == set(PREPARE) and set(mini.OF_TASK.values()) == set(mini.CORPORA)


def test_made_once_and_added_to(tmp_path: Path) -> None:
    assert set(mini.make(tmp_path, ("asv",))) == {"voxceleb1"}
    before = (tmp_path / "voxceleb1").stat().st_mtime_ns
    assert set(mini.make(tmp_path, ("sid", "ic"))) == {"fluent_commands"}
    assert (tmp_path / "voxceleb1").stat().st_mtime_ns == before
    assert (tmp_path / "asv" / "dev_meta_data.txt").exists() and (tmp_path / "sid" / "veri_test_class.txt").exists()
    assert json.loads((tmp_path / "mini-superb.json").read_text()) == {
        "seed": 0,
        "corpora": ["fluent_commands", "voxceleb1"],
    }
    with pytest.raises(BudgetError, match="holds corpora made with seed 0: choose another folder"):
        mini.make(tmp_path, ("pr",), seed=1)


def test_what_is_in_the_way_or_unknown(tmp_path: Path) -> None:
    (tmp_path / "librispeech").mkdir()
    with pytest.raises(BudgetError, match="librispeech` exists, but wasn't made by this command: choose another folder"):
        mini.make(tmp_path, ("pr",))
    with pytest.raises(ConfigError, match="unknown task `vc`: choose from pr, asr"):
        mini.make(tmp_path, ("vc",))
    with pytest.raises(ConfigError, match="`seed` and `workers` must be positive"):
        mini.make(tmp_path, ("pr",), workers=0)


def test_verification_has_long_recordings_and_both_kinds_of_trials(miniatures: Callable[..., Path]) -> None:
    corpus = miniatures("asv") / mini.OF_TASK["asv"]
    silence = ["silence", "1", "0.1", "0.1%", "-1", "0.1", "0.1%"]
    for path in corpus.glob("*/wav/*/*/*.wav"):
        wave, _ = sox.apply_effects_file(path, [["gain", "-3.0"], silence])
        assert wave.shape[1] > 32000, path
    trials = [line.split() for line in (corpus / "veri_test.txt").read_text().splitlines()]
    assert all((corpus / "test" / "wav" / path).is_file() for _, *pair in trials for path in pair)
    assert {label for label, *_ in trials} == {"0", "1"}


def test_telephone_speech_is_at_8_kilohertz_and_mandarin_is_mp3(miniatures: Callable[..., Path]) -> None:
    telephone, mandarin = (miniatures(task) / mini.OF_TASK[task] for task in ("qbe", "asr_zh"))
    assert {soundfile.info(path).samplerate for path in telephone.rglob("*.wav")} == {8000}
    assert {soundfile.info(path).format for path in (mandarin / "clips").iterdir()} == {"MP3"}


@pytest.mark.slow
def test_thirty_five_words_by_one_speaker_of_each_part(tmp_path: Path) -> None:
    mini_speech_commands.make_v2(tmp_path, 0)
    testing = (tmp_path / "testing_list.txt").read_text().split()
    assert len(mini_speech_commands.WORDS) == 35 == len({name.split("/")[0] for name in testing})
    parts = {official_part(path.name.partition("_nohash_")[0]) for path in tmp_path.glob("[a-z]*/*.wav")}
    assert parts == set(mini_speech_commands.PARTS)

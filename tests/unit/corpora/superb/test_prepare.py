"""What is prepared from each corpus, on the miniatures, and what is said of corpora in which something is missing."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.corpora.superb import common_voice as prepare_common_voice
from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.arpabet import PHONEMES
from fairseq_budget.corpora.superb.prepare import prepare
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.superb import common_voice as mini_common_voice
from fairseq_budget.synthetic.superb import fluent_commands as mini_fluent_commands
from fairseq_budget.synthetic.superb import iemocap as mini_iemocap
from fairseq_budget.synthetic.superb import libri2mix as mini_libri2mix
from fairseq_budget.synthetic.superb import librispeech as mini_librispeech
from fairseq_budget.synthetic.superb import quesst14 as mini_quesst14
from fairseq_budget.synthetic.superb import snips as mini_snips
from fairseq_budget.synthetic.superb import voxceleb1 as mini_voxceleb1
from fairseq_budget.synthetic.superb.everything import CORPORA, OF_TASK
from fairseq_budget.synthetic.superb.speech_commands import WORDS

Corpus = Callable[[Callable[[Path, int], Made]], Path]


@pytest.fixture
def corpus(miniatures: Callable[..., Path]) -> Corpus:
    """A miniature, to be read only."""

    def get(make: Callable[[Path, int], Made]) -> Path:
        folder = next(folder for folder, made_by in CORPORA.items() if made_by is make)
        return miniatures(next(task for task, its in OF_TASK.items() if its == folder)) / folder

    return get


@pytest.fixture
def copied(corpus: Corpus, tmp_path: Path) -> Corpus:
    """A miniature of one's own, to break."""
    return lambda make: Path(shutil.copytree(corpus(make), tmp_path / "copy"))


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_unknown_tasks_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown task `vc`: choose one of pr, asr"):
        prepare("vc", tmp_path, tmp_path)
    with pytest.raises(BudgetError, match="no folder `.*none`: give the folder of the corpus"):
        prepare("pr", tmp_path / "none", tmp_path)


def test_phoneme_recognition(corpus: Corpus, tmp_path: Path) -> None:
    root = corpus(mini_librispeech.make)
    report = prepare("pr", root, tmp_path, own_lists=True)
    lexicon = dict(line.split("\t") for line in lines(tmp_path / "pr" / public.LEXICONS[0].name))
    said = {word for path in root.rglob("*.trans.txt") for line in lines(path) for word in line.split()[1:]}
    assert set(lexicon) == said and {p for entry in lexicon.values() for p in entry.split()} <= set(PHONEMES)
    assert lines(tmp_path / "pr" / "phoneme.txt") == list(PHONEMES)
    assert lines(tmp_path / "pr" / public.LEXICONS[1].name) == []
    assert report[1].endswith(f": {len(lexicon)} words, as eSpeak pronounces them")


def test_words_that_the_official_lexicons_lack(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "obtain", lambda file, path: (path.write_text("THE DH AH0\n"), "there already")[1])
    with pytest.raises(BudgetError, match=r"words of `.*`, such as `[A-Z]+`, are in no lexicon: add `--own-lists`"):
        prepare("pr", corpus(mini_librispeech.make), tmp_path)


def test_a_part_of_librispeech_that_is_missing(copied: Corpus, tmp_path: Path) -> None:
    root = copied(mini_librispeech.make)
    shutil.rmtree(root / "test-clean")
    for task in ("pr", "asr"):
        with pytest.raises(BudgetError, match=r"test-clean` has no recordings .*: get it from openslr.org/12"):
            prepare(task, root, tmp_path, own_lists=True)


def test_speech_recognition(corpus: Corpus, tmp_path: Path) -> None:
    root = corpus(mini_librispeech.make)
    prepare("asr", root, tmp_path)
    symbols = [line.split(" ")[0] for line in lines(tmp_path / "asr" / "char.dict")]
    assert len(symbols) == 28 and symbols[:4] == ["|", "E", "T", "A"]
    tables = sorted(path.stem for path in (tmp_path / "asr" / "len_for_bucket").iterdir())
    assert tables == ["dev-clean", "test-clean", "train-clean-100"]
    with (tmp_path / "asr" / "len_for_bucket" / "train-clean-100.csv").open() as file:
        rows = list(csv.DictReader(file))
    lengths = [int(row["length"]) for row in rows]
    assert len(rows) == 10 and lengths == sorted(lengths, reverse=True)
    assert all(soundfile.info(root / row["file_path"]).frames == int(row["length"]) for row in rows)


def test_mandarin(corpus: Corpus, tmp_path: Path) -> None:
    root = corpus(mini_common_voice.make)
    prepare("asr_zh", root, tmp_path, own_lists=True)
    out = tmp_path / "asr_zh"
    rows = [line.split("\t") for line in lines(out / "train.tsv")]
    assert rows[0] == ["path", "sentence"] and len(rows) == 1 + len(mini_common_voice.SENTENCES["train"]) - 1
    lengths = [soundfile.info(out / "clips" / name).frames for name, _ in rows[1:]]
    assert lengths == sorted(lengths, reverse=True)
    assert {soundfile.info(path).samplerate for path in (out / "clips").iterdir()} == {16000}
    assert lines(out / "zh-CN_char.txt") == sorted({character for _, text in rows[1:] for character in text})
    with pytest.raises(
        BudgetError, match="has other characters than Common Voice 7.0 zh-CN: get that version, or add `--own"
    ):
        prepare("asr_zh", root, tmp_path)


def test_recordings_are_resampled_and_not_shifted(corpus: Corpus, tmp_path: Path) -> None:
    root = corpus(mini_common_voice.make)
    prepare("asr_zh", root, tmp_path, own_lists=True)
    name = lines(tmp_path / "asr_zh" / "dev.tsv")[1].split("\t")[0]
    before, rate = soundfile.read((root / "clips" / name).with_suffix(".mp3"))
    after, _ = soundfile.read(tmp_path / "asr_zh" / "clips" / name)
    assert rate == 32000 and len(after) == -(-len(before) // 2)
    # every second sample, but for what lies above the new Nyquist frequency, of which speech has little
    assert np.corrcoef(before[::2], after)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天，天气很好。", "今天天气很好"),
        ("「你好」 ！", "你好"),
        ("一丁ㄧ", "一丁一"),
        ("我用ＡＢＣ", ""),
        ("it's", ""),
        ("カ一", ""),
        ("２０２１年", "2021年"),
        ("—", ""),
    ],
)
def test_mandarin_texts(text: str, expected: str) -> None:
    assert prepare_common_voice.normalise(text) == expected


def test_a_folder_that_is_not_common_voice(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no file `.*train.tsv`: give the folder zh-CN of Common Voice"):
        prepare("asr_zh", tmp_path, tmp_path)


def test_slots(corpus: Corpus, copied: Corpus, tmp_path: Path) -> None:
    prepare("sf", corpus(mini_snips.make), tmp_path)
    assert (tmp_path / "sf" / "character.txt").read_text() == "\n".join(" ABCDEFGHIJKLMNOPQRSTUVWXYZ'")
    listed = (tmp_path / "sf" / "slots.txt").read_text()
    assert listed.split("\n") == ["O", *sorted(mini_snips.VALUES)]
    root = copied(mini_snips.make)
    (root / "slots.txt").unlink()
    prepare("sf", root, tmp_path)
    assert set((tmp_path / "sf" / "slots.txt").read_text().split("\n")) <= {"O", *mini_snips.VALUES}
    (root / "slots.txt").write_text("O\nartist\n")
    with pytest.raises(
        BudgetError, match="slots.txt` lacks the slot `city`, which `all.iob.snips.txt` has: remove the file"
    ):
        prepare("sf", root, tmp_path)
    (root / "all.iob.snips.txt").unlink()
    with pytest.raises(
        BudgetError, match="no file `.*all.iob.snips.txt`: get the preprocessed Audio SNIPS from https://drive"
    ):
        prepare("sf", root, tmp_path)


def test_intents(corpus: Corpus, copied: Corpus, tmp_path: Path) -> None:
    (report,) = prepare("ic", corpus(mini_fluent_commands.make), tmp_path)
    assert "complete (12 train, 6 valid, 6 test), nothing to write" in report and not (tmp_path / "ic").exists()
    root = copied(mini_fluent_commands.make)
    table = root / "data" / "test_data.csv"
    table.write_text(table.read_text().replace(",newspaper,", ",juice,"))
    with pytest.raises(BudgetError, match="test_data.csv`, line 6: `juice` is no object of the training data"):
        prepare("ic", root, tmp_path)
    table.write_text("a,b\n")
    with pytest.raises(BudgetError, match="test_data.csv` has no column `action`"):
        prepare("ic", root, tmp_path)
    table.unlink()
    with pytest.raises(BudgetError, match="no file `.*test_data.csv`: give the folder of Fluent Speech Commands"):
        prepare("ic", root, tmp_path)
    next(root.rglob("train-0000.wav")).unlink()
    with pytest.raises(BudgetError, match="no recording `.*train-0000.wav`"):
        prepare("ic", root, tmp_path)


def test_speakers(copied: Corpus, tmp_path: Path) -> None:
    root = copied(mini_voxceleb1.make)
    prepare("sid", root, tmp_path, own_lists=True)
    split = Counter(line.split()[0] for line in lines(tmp_path / "sid" / "veri_test_class.txt"))
    assert split == {"1": 10, "2": 5, "3": 5}
    report = prepare("asv", root, tmp_path, own_lists=True)
    trials = lines(tmp_path / "asv" / "voxceleb1_test_v2.txt")
    assert {line[0] for line in trials} == {"0", "1"} and f": {len(trials)} trials, copied from" in report[0]
    (root / "veri_test.txt").write_text("\n".join(line for line in trials if line[0] == "1"))
    with pytest.raises(BudgetError, match="must have trials of one speaker .1. and of two .0."):
        prepare("asv", root, tmp_path, own_lists=True)
    (root / "veri_test.txt").write_text("1 id10270/x/00001.wav id10270/y/00001.wav\n")
    with pytest.raises(
        BudgetError, match="2 of the 2 recordings in `.*` aren't under .*test/wav, such as `id10270/x/00001.wav`"
    ):
        prepare("asv", root, tmp_path, own_lists=True)
    (root / "veri_test.txt").unlink()
    with pytest.raises(BudgetError, match="no file `.*veri_test.txt`: it comes with the corpus"):
        prepare("asv", root, tmp_path, own_lists=True)


def test_diarization(corpus: Corpus, tmp_path: Path) -> None:
    root = corpus(mini_libri2mix.make)
    prepare("sd", root, tmp_path, own_lists=True)
    folder = tmp_path / "sd" / "test"
    recordings = dict(line.split() for line in lines(folder / "wav.scp"))
    seconds = {name: float(value) for name, value in (line.split() for line in lines(folder / "reco2dur"))}
    assert len(recordings) == 2
    for name, path in recordings.items():
        assert Path(path).is_relative_to(root) and seconds[name] == soundfile.info(path).duration
    segments = [line.split() for line in lines(folder / "segments")]
    speaker_of = dict(line.split() for line in lines(folder / "utt2spk"))
    assert len(speaker_of) == len(segments) == 6  # three sentences in each mixture, each under a name of its own
    assert all(0 < float(begin) < float(end) < seconds[name] + 0.001 for _, name, begin, end in segments)
    for name in recordings:
        speakers = {speaker_of[utterance] for utterance, recording, _, _ in segments if recording == name}
        assert speakers == {source.split("-")[0] for source in name.split("_")}
    overlap = [
        (a, b)
        for a in segments
        for b in segments
        if a[1] == b[1] and speaker_of[a[0]] < speaker_of[b[0]] and a[2] < b[3] and b[2] < a[3]
    ]
    assert overlap
    reference = [line.split("\t") for line in lines(folder / "rttm")]
    expected = [(name, float(begin), float(end) - float(begin)) for _, name, begin, end in segments]
    assert [(f[1], float(f[3]), float(f[4])) for f in reference] == expected


def test_a_folder_that_is_not_libri2mix(copied: Corpus, tmp_path: Path) -> None:
    root = copied(mini_libri2mix.make)
    rttm = root / "rttm" / "dev_clean.rttm"
    rttm.write_text("".join(f"{line}\n" for line in lines(rttm)[2:]))
    with pytest.raises(BudgetError, match="`9011-90115-0000` of mixture `.*` is in no RTTM file: is the corpus Libri2Mix?"):
        prepare("sd", root, tmp_path, own_lists=True)
    rttm.write_text("SPEAKER 90115-0000 1 0.5 <NA>\n")
    with pytest.raises(BudgetError, match="dev_clean.rttm`, line 1: `.*` is no line of an RTTM file: leave out"):
        prepare("sd", root, tmp_path, own_lists=True)
    rttm.unlink()
    with pytest.raises(BudgetError, match="no RTTM file `.*dev_clean.rttm`: leave out `--own-lists`"):
        prepare("sd", root, tmp_path, own_lists=True)
    next(root.glob("wav16k/max/train-100/mix_both/*.wav")).unlink()
    with pytest.raises(
        BudgetError, match="no mixture `.*train-100/mix_both/.*wav`, which `mixture_train-100_mix_both.csv` has"
    ):
        prepare("sd", root, tmp_path, own_lists=True)
    shutil.rmtree(root / "wav16k")
    with pytest.raises(BudgetError, match="no file `.*mixture_train-100_mix_both.csv`: make Libri2Mix with"):
        prepare("sd", root, tmp_path, own_lists=True)


def test_emotions(corpus: Corpus, copied: Corpus, tmp_path: Path) -> None:
    prepare("er", corpus(mini_iemocap.make), tmp_path, own_lists=True)
    folds = [json.loads((tmp_path / "er" / f"Session{k}" / "test_meta_data.json").read_text()) for k in range(1, 6)]
    for number, fold in enumerate(folds, start=1):
        assert fold["labels"] == {"neu": 0, "hap": 1, "ang": 2, "sad": 3}
        # two speakers with six ratings each, of which one is none of the four, and one, excited, counts as happy
        assert Counter(item["label"] for item in fold["meta_data"]) == {"neu": 2, "hap": 4, "ang": 2, "sad": 2}
        assert {item["speaker"] for item in fold["meta_data"]} == {f"Ses0{number}F", f"Ses0{number}M"}
        train = json.loads((tmp_path / "er" / f"Session{number}" / "train_meta_data.json").read_text())["meta_data"]
        rest = [item for other in folds if other is not fold for item in other["meta_data"]]
        assert train == rest and len(train) == 40
    root = copied(mini_iemocap.make)
    next((root / "Session5" / "sentences").rglob("*F000.wav")).unlink()
    report = prepare("er", root, tmp_path, own_lists=True)
    assert report[-1].endswith("Session5: tested on 9 utterances, own list")
    shutil.rmtree(root / "Session3" / "dialog")
    with pytest.raises(
        BudgetError, match="Session3` has no rated utterances: give the folder that holds Session1 to Session5"
    ):
        prepare("er", root, tmp_path, own_lists=True)


def test_official_folds_want_the_official_recordings(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {"labels": {}, "meta_data": [{"path": "Session1/sentences/wav/x/x.wav"}]}

    def obtain(file: public.PublicFile, target: Path) -> str:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(listed))
        return "fetched"

    monkeypatch.setattr(public, "obtain", obtain)
    with pytest.raises(
        BudgetError, match=r"no recording `.*Session1/sentences/wav/x/x.wav` .and 0 others.: give the folder"
    ):
        prepare("er", corpus(mini_iemocap.make), tmp_path)


def test_queries(corpus: Corpus, copied: Corpus, tmp_path: Path) -> None:
    (report,) = prepare("qbe", corpus(mini_quesst14.make), tmp_path)
    assert "complete (12 English utterances, 2 English dev, 2 English eval), nothing to write" in report
    root = copied(mini_quesst14.make)
    (root / "Audio" / "quesst14_00003.wav").unlink()
    with pytest.raises(BudgetError, match=r"no recording `.*quesst14_00003.wav`, which `language_key_utterances.lst` has"):
        prepare("qbe", root, tmp_path)
    (root / "scoring" / "language_key_utterances.lst").unlink()
    with pytest.raises(BudgetError, match=r"no file `.*language_key_utterances.lst`: unpack https://speech.fit.vutbr.cz"):
        prepare("qbe", root, tmp_path)


def test_keywords(tmp_path: Path) -> None:
    root = tmp_path / "speech_commands"
    (root / "train").mkdir(parents=True)
    with pytest.raises(BudgetError, match="`.*train/yes` has no recordings: unpack speech_commands_v0.01 to train/"):
        prepare("ks", root, tmp_path)


def test_all_words(tmp_path: Path) -> None:
    root = tmp_path / "v2"
    for word in (*WORDS, "_background_noise_"):
        (root / word).mkdir(parents=True)
        for name in ("a", "b"):
            (root / word / f"{name}_nohash_0.wav").touch()
    (root / "testing_list.txt").write_text("".join(f"{word}/b_nohash_0.wav\n" for word in WORDS))
    for _ in range(2):
        prepare("ks35", root, tmp_path / "out")
    train, test = tmp_path / "out" / "ks35" / "train", tmp_path / "out" / "ks35" / "test"
    assert sorted(path.name for path in train.iterdir()) == sorted(path.name for path in test.iterdir()) == sorted(WORDS)
    assert all(len(list((train / word).iterdir())) == 2 and len(list((test / word).iterdir())) == 1 for word in WORDS)
    (root / "extra").mkdir()
    lines = prepare("ks35", root, tmp_path / "others")
    assert lines[0].endswith("train: 36 words (not those of v0.02)")
    (root / "testing_list.txt").unlink()
    with pytest.raises(BudgetError, match="`.*v2` lacks `testing_list.txt`: unpack speech_commands_v0.02"):
        prepare("ks35", root, tmp_path)

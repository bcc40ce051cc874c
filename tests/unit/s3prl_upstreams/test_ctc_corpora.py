"""The data sets that s3prl's package lacks: their order, their buckets, and what they say of a corpus that doesn't fit."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import compat, ctc_corpora
from s3prl_upstreams.host.ctc_corpora import CommonVoiceDataset, CtcBuckets, LibriPhoneDataset, SnipsDataset


class Letters:
    """A tokenizer: the length of each word."""

    def encode(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    folder = tmp_path / "dev-clean" / "1" / "2"
    folder.mkdir(parents=True)
    (folder / "1-2.trans.txt").write_text("1-2-0000 A CAT\n1-2-0001 CATS\n1-2-0002 A CAT CATS\n1-2-0003 LOST\n")
    for number in range(3):
        (folder / f"1-2-000{number}.flac").touch()
    (tmp_path / "first.txt").write_text("A\tAH0\nCAT K AE1 T\nCAT X\n")
    (tmp_path / "second.txt").write_text("A EY1\nCATS K AE1 T S\n")
    return tmp_path


def libriphone(root: Path, *lexicons: str, part: str = "dev-clean") -> LibriPhoneDataset:
    lexicon = [str(root / name) for name in lexicons]
    return LibriPhoneDataset([part], Letters(), 1, str(root), lexicon, bucketing=True)


def test_phonemes_come_from_the_first_entry_of_a_word_and_the_longest_first(librispeech: Path) -> None:
    data = libriphone(librispeech, "first.txt", "second.txt")
    assert [(Path(path).stem, tokens) for path, tokens in data.items] == [
        ("1-2-0002", [3, 1, 3, 1, 1, 3, 1, 1]),
        ("1-2-0000", [3, 1, 3, 1]),
        ("1-2-0001", [1, 3, 1, 1]),
    ]


def test_words_and_files_that_are_missing(librispeech: Path) -> None:
    with pytest.raises(BudgetError, match=r"`CATS` of `1-2-0001.flac` is in no lexicon"):
        libriphone(librispeech, "first.txt")
    with pytest.raises(BudgetError, match=r"no file `.*third.txt`"):
        libriphone(librispeech, "third.txt")
    with pytest.raises(BudgetError, match=r"test-clean` has no recordings"):
        libriphone(librispeech, "first.txt", "second.txt", part="test-clean")


def test_buckets() -> None:
    items = [(str(i), [i]) for i in range(5)]
    assert CtcBuckets(items, 1)[4] == ("4", [4])
    data = CtcBuckets(items, 2)
    assert len(data) == 5
    assert data[0] == items[:2] and data[3] == data[4] == items[3:]
    assert CtcBuckets(items, 8)[4] == items


def test_snips_takes_the_speakers_of_a_split(tmp_path: Path) -> None:
    for name in ("Amy-snips-valid-0", "Amy-snips-valid-1", "Ivy-snips-valid-0", "Amy-snips-valid-9"):
        (tmp_path / "valid").mkdir(exist_ok=True)
        (tmp_path / "valid" / f"{name}.wav").touch()
    lines = [
        "Amy-snips-valid-0 BOS GO EOS\tO O X",
        "Amy-snips-valid-1 BOS GO ON EOS\tO O O X",
        "Ivy-snips-valid-0 BOS GO EOS\tO O X",
    ]
    (tmp_path / "all.iob.snips.txt").write_text("\n".join(lines) + "\n")
    data = SnipsDataset(["valid"], Letters(), 1, str(tmp_path), valid_speakers=["Amy"], train_speakers=["Ivy"])
    assert [(Path(path).name, len(tokens)) for path, tokens in data.items] == [
        ("Amy-snips-valid-1.wav", 8),
        ("Amy-snips-valid-0.wav", 6),
    ]
    with pytest.raises(BudgetError, match="has no recordings in valid by Joey: give another path"):
        SnipsDataset(["valid"], Letters(), 1, str(tmp_path), valid_speakers=["Joey"])


def test_common_voice_keeps_the_order_of_its_table(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("path\tsentence\nb.wav\t一 二\na.wav\t三 四 五\n", encoding="utf-8")
    data = CommonVoiceDataset([str(tmp_path / "train.tsv")], Letters(), 1, "/clips")
    assert data.items == [("/clips/b.wav", [1, 1]), ("/clips/a.wav", [1, 1, 1])]


def test_the_modules_are_where_s3prl_looks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.apply()
    for name in [name for name in sys.modules if name.startswith(ctc_corpora.PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    ctc_corpora.provide()
    data = importlib.import_module("s3prl.downstream.ctc.data")
    for name, dataset in (
        ("libriphone", "LibriPhoneDataset"),
        ("snips", "SnipsDataset"),
        ("common_voice", "CommonVoiceDataset"),
    ):
        module = importlib.import_module(f".corpus.{name}", data.__package__)
        assert getattr(module, dataset) is getattr(ctc_corpora, dataset)
    ctc_corpora.provide()


def test_a_checkout_of_s3prl_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.ModuleType(f"{ctc_corpora.PACKAGE}.libriphone")
    monkeypatch.setitem(sys.modules, ctc_corpora.PACKAGE, types.ModuleType(ctc_corpora.PACKAGE))
    monkeypatch.setitem(sys.modules, own.__name__, own)
    ctc_corpora.provide()
    assert sys.modules[own.__name__] is own

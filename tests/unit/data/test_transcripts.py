"""Transcripts: found by name, split into units and joined again, and bound to their manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.transcripts.alphabet import UNKNOWN, Alphabet
from fairseq_budget.data.transcripts.find import find_transcripts
from fairseq_budget.data.transcripts.folder import Transcripts, check_splits, make_transcripts
from fairseq_budget.data.transcripts.units import Letters, Pieces, read_dictionary
from fairseq_budget.errors import BudgetError, ConfigError

WORD = st.text(st.characters(categories=("Lu", "Ll", "Nd"), exclude_characters="|"), min_size=1, max_size=8)
TEXT = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
LINES = {"a-1": "THE CAT SAT", "a-2": "ON A MAT", "b-1": "THE MAT"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Manifests train and valid over three files in two chapters, of which only names matter here."""
    for chapter in ("a", "b"):
        (tmp_path / "audio" / chapter).mkdir(parents=True)
        lines = [f"{name} {words}\n" for name, words in LINES.items() if name.startswith(chapter)]
        (tmp_path / "audio" / chapter / f"{chapter}.trans.txt").write_text("".join(lines))
    manifest(tmp_path, "train", ["b/b-1.flac", "a/a-1.flac"])
    manifest(tmp_path, "valid", ["a/a-2.flac"])
    return tmp_path


def manifest(folder: Path, split: str, names: list[str]) -> Manifest:
    made = Manifest(folder / "audio", names, np.arange(len(names)) + 16000)
    made.write(folder / f"{split}.tsv")
    return Manifest.read(folder / f"{split}.tsv")


@given(TEXT)
def test_letters_come_back(words: str) -> None:
    alphabet = Alphabet(Letters(), sorted(set(Letters().split(words))))
    assert alphabet.text(alphabet.numbers(Letters().split(words))) == words
    assert Alphabet.of(alphabet.state(), "here").text(alphabet.numbers(Letters().split(words))) == words


def test_pieces_come_back() -> None:
    texts = [*LINES.values(), "A CAT ON THE MAT"] * 3
    pieces = Pieces.train(texts, 14)
    alphabet = Alphabet(pieces, sorted({piece for text in texts for piece in pieces.split(text)}))
    saved = Alphabet.of(alphabet.state(), "here")
    for text in texts:
        numbers = alphabet.numbers(pieces.split(text))
        assert alphabet.text(numbers) == text == saved.text(numbers)
        assert saved.units.split(text) == pieces.split(text)


def test_files_as_stock_fairseq_reads_them(folder: Path) -> None:
    from fairseq.data import Dictionary

    made = make_transcripts(folder, ("train", "valid"))
    assert (folder / "train.wrd").read_text() == "THE MAT\nTHE CAT SAT\n"
    assert (folder / "train.ltr").read_text().splitlines()[0] == "T H E | M A T |"
    stock = Dictionary.load(str(folder / "dict.ltr.txt"))
    assert stock.symbols[4:] == made.symbols == read_dictionary(folder / "dict.ltr.txt")
    line = (folder / "train.ltr").read_text().splitlines()[1]
    train = Manifest.read(folder / "train.tsv")
    assert made.numbers("train", train)[1].tolist() == stock.encode_line(line, append_eos=False).tolist()
    # O and N are in no transcript of train
    assert made.splits["valid"]["unknown_units"] == 2
    valid = made.numbers("valid", Manifest.read(folder / "valid.tsv"))[0].tolist()
    assert valid[:2] == [UNKNOWN, UNKNOWN]


def test_a_kaldi_text_file(folder: Path) -> None:
    (folder / "text").write_text("a-1 one\nb-1  two three\n\na-2 four\n")
    train = Manifest.read(folder / "train.tsv")
    assert list(find_transcripts(train, folder / "text")) == ["two three", "one"]


def test_transcripts_belong_to_their_manifest(folder: Path) -> None:
    """Other rows of the same number, and files that were changed, are refused."""
    made = make_transcripts(folder, ("train", "valid"))
    swapped = manifest(folder, "train", ["a/a-1.flac", "b/b-1.flac"])
    with pytest.raises(BudgetError, match="was made for other utterances"):
        made.numbers("train", swapped)
    valid = Manifest.read(folder / "valid.tsv")
    with pytest.raises(BudgetError, match="tells of train, valid, but not of `test`"):
        made.words("test", valid)
    (folder / "valid.wrd").write_text("ON A HAT\n")
    with pytest.raises(BudgetError, match="`.*valid.wrd` has changed since it was made"):
        made.words("valid", valid)
    (folder / "dict.ltr.txt").write_text("T 1\n")
    with pytest.raises(BudgetError, match="isn't the dictionary of"):
        Transcripts(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b-1 TWO\n", r"line 3: `a-1` has no transcript in `.*text`"),
        ("b-1 TWO\na-1\n", r"line 3: `a-1` has an empty transcript"),
        ("b-1 TWO\nb-1 TWO\n", r"`.*text`, line 2: `b-1` was there before"),
        (b"b-1 \xff\n", r"`.*text` can't be read"),
    ],
)
def test_mistakes_in_a_text_file(folder: Path, text: str | bytes, message: str) -> None:
    (folder / "text").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BudgetError, match=message):
        list(find_transcripts(Manifest.read(folder / "train.tsv"), folder / "text"))


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no transcripts in .*: make them with `fairseq-budget asr transcripts`"):
        Transcripts(folder)
    with pytest.raises(ConfigError, match="`--units` must be one of letters, sentencepiece, but is `phones`"):
        make_transcripts(folder, ("train",), "phones")
    with pytest.raises(ConfigError, match="`--vocabulary` 5000: "):
        make_transcripts(folder, ("train",), "sentencepiece", 5000)
    with pytest.raises(ConfigError, match="`--splits` must name different splits"):
        check_splits(["train", "train"])
    with pytest.raises(BudgetError, match="has the character `|`"):
        Letters().split("A|B")
    (tmp_path / "dict").write_text("A 1\nA 1\n")
    with pytest.raises(BudgetError, match="line 2: expected a new unit and its count"):
        read_dictionary(tmp_path / "dict")
    segment = folder / "audio" / "segments.tsv"
    segment.write_text(f"{folder / 'audio'}\na/a-1.flac\t0\t500\n")
    with pytest.raises(BudgetError, match="line 2: a part of a file, whose words nobody knows"):
        list(find_transcripts(Manifest.read(segment)))

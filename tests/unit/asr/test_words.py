"""Decoding into words: the word model decides between spellings that the frames leave open."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fairseq_budget.asr.ngram import WittenBell
from fairseq_budget.asr.words import BeamSettings, WordDecoder
from fairseq_budget.data.transcripts.alphabet import Alphabet
from fairseq_budget.data.transcripts.units import Letters, Pieces
from fairseq_budget.errors import BudgetError

LETTERS = BeamSettings.of("letters")
PIECES = BeamSettings.of("pieces")

pytest.importorskip("flashlight", reason="no wheel for this Python")

TEXTS = ["THE CAT SAT", "THE CAT SAT ON THE MAT", "A CAT", "THE COT WAS WHITE"]


@pytest.fixture
def lm(tmp_path: Path) -> Path:
    WittenBell(TEXTS).write(tmp_path / "lm.arpa")
    return tmp_path / "lm.arpa"


@pytest.fixture
def alphabet() -> Alphabet:
    return Alphabet(Letters(), sorted({letter for text in TEXTS for letter in Letters().split(text)}))


def frames(alphabet: Alphabet, text: str, doubt: dict[int, str] | None = None) -> torch.Tensor:
    """Frames that spell a text, with a blank after each unit; at some letters another one is a little more probable."""
    numbers = alphabet.numbers(alphabet.units.split(text))
    logs = torch.full((2 * len(numbers), alphabet.classes), -12.0)
    for place, number in enumerate(numbers):
        logs[2 * place, number] = 0.0
        logs[2 * place + 1, 0] = 0.0
        if doubt and place in doubt:
            logs[2 * place, number] = -0.4
            logs[2 * place, alphabet.numbers([doubt[place]])[0]] = 0.0
    return logs.log_softmax(-1)


def test_the_word_model_decides(alphabet: Alphabet, lm: Path) -> None:
    """Letters alone read THE COT SAT; after THE, with SAT to come, the model knows CAT."""
    logs = frames(alphabet, "THE CAT SAT", {5: "O"})
    assert WordDecoder(alphabet, lm, None, BeamSettings.of("letters", lm_weight=0.0)).decode(logs) == "THE COT SAT"
    decoder = WordDecoder(alphabet, lm, None, LETTERS)
    assert decoder.decode(logs) == "THE CAT SAT"
    assert decoder.told == {"words": 9, "beam": 50, "threshold": 50.0, "lm_weight": 2.0, "word_score": 0.0}


def test_words_of_pieces(lm: Path) -> None:
    """What the frames hardly tell is left out by a model of letters' weight, and kept by default."""
    pieces = Pieces.train(TEXTS * 4, 20)
    alphabet = Alphabet(pieces, sorted({piece for text in TEXTS for piece in pieces.split(text)}))
    assert WordDecoder(alphabet, lm, None, PIECES).decode(frames(alphabet, "THE CAT SAT")) == "THE CAT SAT"
    logs = frames(alphabet, "THE CAT WHITE")
    logs[-2, 0] = logs[-2].max() - 1.0
    unsure = logs.log_softmax(-1)  # of the last word, which is one piece, and which the model has never seen there
    assert WordDecoder(alphabet, lm, None, LETTERS).decode(unsure) == "THE CAT"
    assert WordDecoder(alphabet, lm, None, PIECES).decode(unsure) == "THE CAT WHITE"


def test_a_list_of_words(alphabet: Alphabet, lm: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("THE T H E |\nCOT\n")
    decoder = WordDecoder(alphabet, lm, tmp_path / "words", LETTERS)
    assert decoder.decode(frames(alphabet, "THE CAT")) == "THE COT"


def test_mistakes(alphabet: Alphabet, lm: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no word model"):
        WordDecoder(alphabet, tmp_path / "none.arpa", None, LETTERS)
    (tmp_path / "words").write_text("the\n")
    with pytest.raises(BudgetError, match="no word that the model's units can spell: are its letters capitals"):
        WordDecoder(alphabet, lm, tmp_path / "words", LETTERS)
    (tmp_path / "broken.arpa").write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-1 THE\nnonsense CAT\n\\end\\\n")
    with pytest.raises(BudgetError, match="is no ARPA file or KenLM binary"):
        WordDecoder(alphabet, tmp_path / "broken.arpa", None, LETTERS)

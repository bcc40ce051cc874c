"""The word model: a distribution after every history, and what KenLM reads out of its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.asr.ngram import BEGIN, END, UNKNOWN, WittenBell
from fairseq_budget.errors import BudgetError, ConfigError

WORDS = st.lists(st.sampled_from("ABCD"), min_size=1, max_size=6).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=8), st.integers(1, 4), WORDS)
def test_it_is_a_distribution_after_any_history(transcripts: list[str], order: int, history: str) -> None:
    model = WittenBell(transcripts, order)
    words = [word for (word,) in model.counts[0]] + [UNKNOWN]
    total = sum(model.probability((*history.split(), word)) for word in words)
    assert total == pytest.approx(1)


def test_by_hand() -> None:
    """`A B` and `A`: 3 words and an end each twice or once; see the formula in the class."""
    model = WittenBell(["A B", "A"], 2)
    # unigrams: A 2, B 1, end 2 of 5, three kinds, four equal shares (the unknown word's, too)
    assert model.probability(("A",)) == pytest.approx((2 + 3 / 4) / 8)
    assert model.probability((UNKNOWN,)) == pytest.approx((3 / 4) / 8)
    # after A: B once, end once
    assert model.probability(("A", "B")) == pytest.approx((1 + 2 * (1 + 3 / 4) / 8) / 4)
    assert model.backoff(("A",)) == pytest.approx(2 / 4)


def test_kenlm_reads_the_same_probabilities(tmp_path: Path) -> None:
    decoder = pytest.importorskip("flashlight.lib.text.decoder.kenlm", reason="no wheel for this Python")
    from flashlight.lib.text.dictionary import create_word_dict

    model = WittenBell(["THE CAT SAT", "THE CAT RAN", "A CAT SAT ON THE MAT", "CAT"], 4)
    model.write(tmp_path / "lm.arpa")
    names = create_word_dict({word: [] for word in (UNKNOWN, "THE", "CAT", "SAT", "RAN", "A", "ON", "MAT")})
    lm = decoder.KenLM(str(tmp_path / "lm.arpa"), names)
    state, history = lm.start(False), [BEGIN]
    for word in "A CAT RAN ON THE CAT SAT SAT THE".split():
        state, score = lm.score(state, names.get_index(word))
        history.append(word)
        expected = model.probability(tuple(history))
        assert 10**score == pytest.approx(expected, rel=1e-4), word
    _, end = lm.finish(state)
    assert 10**end == pytest.approx(model.probability((*history, END)), rel=1e-4)


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="`--order` must be at least 1, but is 0"):
        WittenBell(["A"], 0)
    with pytest.raises(BudgetError, match="have no word"):
        WittenBell([""])

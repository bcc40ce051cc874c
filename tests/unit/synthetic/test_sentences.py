"""The sentence generator and the transcript of what it makes."""

from __future__ import annotations

import re

import numpy as np

from fairseq_budget.synthetic.sentences import sentence, transcript, utterance


def test_the_same_seed_gives_the_same_text() -> None:
    assert utterance(np.random.default_rng(3)) == utterance(np.random.default_rng(3))
    assert utterance(np.random.default_rng(3)) != utterance(np.random.default_rng(4))


def test_utterances_vary_in_length_within_bounds() -> None:
    rng = np.random.default_rng(0)
    lengths = [len(utterance(rng).split()) for _ in range(500)]
    assert min(lengths) >= 8
    assert max(lengths) <= 42
    # LibriSpeech's spread: many long utterances, some short ones.
    assert np.percentile(lengths, 10) < 16
    assert np.percentile(lengths, 75) > 28


def test_sentences_are_written_correctly() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        text = sentence(rng)
        assert re.fullmatch(r"[A-Z][A-Za-z, ]+\.", text)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|  | ,", text, re.I)


def test_transcript_has_only_capital_words() -> None:
    assert transcript("At noon, Anna's cat slept. Why?") == "AT NOON ANNA'S CAT SLEPT WHY"

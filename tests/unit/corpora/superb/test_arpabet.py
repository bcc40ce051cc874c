"""eSpeak's English in ARPAbet, and the list of phonemes."""

from __future__ import annotations

import pytest

from fairseq_budget.corpora.superb.arpabet import PHONEMES, from_ipa, pronounce
from fairseq_budget.corpora.superb.public import blob_id
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic import words
from fairseq_budget.synthetic.espeak import Voice


def test_the_phonemes_are_s3prls_to_the_byte() -> None:
    """git's identifier of s3prl/downstream/ctc/vocab/phoneme.txt at commit ec8064b."""
    assert blob_id("\n".join(PHONEMES).encode()) == "4bc47c3fe21a9978484379bc0414180b6813722e"


@pytest.mark.parametrize(
    ("ipa", "expected"),
    [
        ("kˈæt", "K AE1 T"),
        ("stɹˈeɪndʒɚ", "S T R EY1 N JH ER0"),
        ("ˈaɪlənd", "AY1 L AH0 N D"),
        ("ˌʌndɚˈɛstᵻmˌeɪt", "AH2 N D ER0 EH1 S T IH0 M EY2 T"),
        ("tʃˈɜːtʃ", "CH ER1 CH"),
    ],
)
def test_stress_goes_to_the_next_vowel_and_the_longest_sound_counts(ipa: str, expected: str) -> None:
    assert " ".join(from_ipa(ipa)) == expected


def test_a_word_in_capitals_is_not_spelled() -> None:
    assert pronounce("IT", Voice()) == pronounce("it", Voice()) == ["IH0", "T"]


def test_all_words_that_are_spoken_here_are_english() -> None:
    spoken = sorted(
        {word for row in vars(words).values() if isinstance(row, tuple) for text in row for word in text.split()}
    )
    assert len(spoken) > 500
    for word in spoken[::7]:
        found = pronounce(word, Voice())
        assert found and set(found) <= set(PHONEMES), word


def test_another_languages_sound() -> None:
    with pytest.raises(BudgetError, match="`χ` in `χˈɑ` is no sound of English: choose another word"):
        from_ipa("χˈɑ")

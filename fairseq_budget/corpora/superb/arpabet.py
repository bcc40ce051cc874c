"""The phonemes of SUPERB's phoneme recognition: ARPAbet, as in LibriSpeech's lexicon, and eSpeak's English in it."""

from __future__ import annotations

from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.espeak import Voice, phonemes

VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()

PHONEMES = ("SIL", "SPN", *sorted(CONSONANTS + [vowel + stress for vowel in VOWELS for stress in "012"]))
"""The 71 lines of s3prl's phoneme.txt: silence, spoken noise, consonants, and vowels with no, first and second stress."""

# Of two that fit, the longer one counts.
_OF_IPA = {
    **{
        "eɪ": "EY",
        "aɪ": "AY",
        "aʊ": "AW",
        "ɔɪ": "OY",
        "oʊ": "OW",
        "iː": "IY",
        "uː": "UW",
        "ɑː": "AA",
        "ɔː": "AO",
        "ɜː": "ER",
    },
    **{"oː": "AO", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɛ": "EH", "æ": "AE", "ɑ": "AA", "a": "AA", "ɔ": "AO", "ʊ": "UH"},
    **{
        "u": "UW",
        "ʌ": "AH",
        "ə": "AH",
        "ɐ": "AH",
        "ɚ": "ER",
        "tʃ": "CH",
        "dʒ": "JH",
        "b": "B",
        "d": "D",
        "ð": "DH",
        "f": "F",
    },
    **{"ɡ": "G", "h": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "s": "S", "ʃ": "SH"},
    **{"t": "T", "ɾ": "T", "ʔ": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH"},
}
_STRESS = {"ˈ": "1", "ˌ": "2"}
_LONGEST = max(map(len, _OF_IPA))


def pronounce(word: str, voice: Voice) -> list[str]:
    """The phonemes that eSpeak speaks a word with; BudgetError for one with a sound that English doesn't have."""
    # in lower case: eSpeak spells out short words in capitals
    return from_ipa(phonemes(word.lower(), voice))


def from_ipa(text: str) -> list[str]:
    """eSpeak's IPA, in which a mark of stress goes before its vowel, in ARPAbet."""
    found: list[str] = []
    stress, position = "0", 0
    while position < len(text):
        piece = next(
            (text[position : position + n] for n in range(_LONGEST, 0, -1) if text[position : position + n] in _OF_IPA), ""
        )
        if piece:
            phoneme = _OF_IPA[piece]
            is_vowel = phoneme in VOWELS
            found.append(phoneme + stress if is_vowel else phoneme)
            stress = "0" if is_vowel else stress
        elif text[position] in _STRESS:
            stress = _STRESS[text[position]]
        elif not text[position].isspace():
            raise BudgetError(f"`{text[position]}` in `{text}` is no sound of English: choose another word")
        position += len(piece) or 1
    return found

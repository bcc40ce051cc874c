"""English sentences from a small grammar: correct, varied in length, and meaningless.

utterance -> sentence {sentence}            (1 to 4)
sentence  -> [time ","] clause [conjunction clause] "."
clause    -> noun-phrase [adverb] (transitive-verb noun-phrase | intransitive-verb) [preposition place]
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fairseq_budget.synthetic import words

# Shares of utterances with 1, 2, 3 and 4 sentences: LibriSpeech has more long utterances than short ones.
_SENTENCES_PER_UTTERANCE = (0.1, 0.15, 0.25, 0.5)
# At 145 to 200 words a minute, about 2 to 17 s.
_FEWEST_WORDS, _MOST_WORDS = 8, 42


def utterance(rng: np.random.Generator) -> str:
    """A text of one to four sentences and 8 to 42 words, with capitals and punctuation."""
    while True:
        count = 1 + rng.choice(len(_SENTENCES_PER_UTTERANCE), p=_SENTENCES_PER_UTTERANCE)
        text = " ".join(sentence(rng) for _ in range(count))
        if _FEWEST_WORDS <= len(text.split()) <= _MOST_WORDS:
            return text


def transcript(text: str) -> str:
    """The words of a text as LibriSpeech writes them: capitals, no punctuation but apostrophes."""
    return " ".join(re.findall(r"[A-Z']+", text.upper()))


def sentence(rng: np.random.Generator) -> str:
    """One sentence, of 2 words to more than 20."""
    text = _clause(rng)
    if _maybe(rng, 0.3):
        text = f"{text}, {_pick(words.CONJUNCTIONS, rng)} {_clause(rng)}"
    if _maybe(rng, 0.25):
        text = f"{_pick(words.TIMES, rng)}, {text}"
    return f"{text[0].upper()}{text[1:]}."


def _clause(rng: np.random.Generator) -> str:
    parts = [_subject(rng)]
    if _maybe(rng, 0.25):
        parts.append(_pick(words.ADVERBS, rng))
    if _maybe(rng, 0.6):
        parts += [_pick(words.TRANSITIVE, rng), _object(rng)]
    else:
        parts.append(_pick(words.INTRANSITIVE, rng))
    if _maybe(rng, 0.5):
        parts += [_pick(words.PREPOSITIONS, rng), _noun_phrase(words.PLACES, rng)]
    return " ".join(parts)


def _subject(rng: np.random.Generator) -> str:
    if _maybe(rng, 0.25):
        return _pick(words.NAMES, rng)
    return _noun_phrase(words.PEOPLE if _maybe(rng, 0.7) else words.ANIMALS, rng)


def _object(rng: np.random.Generator) -> str:
    return _noun_phrase(words.THINGS, rng) if _maybe(rng, 0.6) else _subject(rng)


def _noun_phrase(nouns: Sequence[str], rng: np.random.Generator) -> str:
    described = [_pick(words.ADJECTIVES, rng)] if _maybe(rng, 0.45) else []
    rest = " ".join([*described, _pick(nouns, rng)])
    determiner = _pick(words.DETERMINERS, rng)
    return f"an {rest}" if determiner == "a" and rest[0] in "aeiou" else f"{determiner} {rest}"


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _maybe(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)

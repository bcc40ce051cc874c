"""Decoding into words: flashlight's beam search over a lexicon, with a KenLM model.

Settings are the batch-size paper's (Vaessen and van Leeuwen): beam 50, threshold 50, and for letters, which it has, weight 2
of the model and no score for inserting a word.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fairseq_budget.asr.ngram import BEGIN, END, UNKNOWN
from fairseq_budget.data.transcripts.alphabet import Alphabet
from fairseq_budget.data.transcripts.units import BOUNDARY, Letters, Pieces
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives.ctc.model import BLANK

_END_OF_SENTENCE = 2
"""fairseq's ``</s>``, which stands for silence where units have no boundary."""


LM_WEIGHTS = {Letters.name: 2.0, Pieces.name: 0.5}
WORD_SCORES = {Letters.name: 0.0, Pieces.name: 2.0}
"""A word has fewer pieces than letters: CTC's score of it is smaller, and a model of weight 2 leaves most words out.  Those
of pieces are measured (docs/measured.md)."""
UNITS_OF_A_FRAME = 50
"""The search goes on with the most probable ones: all letters, and those of many pieces that can matter.  495 pieces of
generated speech take a twelfth of the time for it, and no more words are wrong."""


@dataclass(frozen=True)
class BeamSettings:
    """Of flashlight's decoder."""

    beam: int
    threshold: float
    lm_weight: float
    word_score: float

    @classmethod
    def of(
        cls,
        units: str,
        beam: int = 50,
        threshold: float = 50.0,
        lm_weight: float | None = None,
        word_score: float | None = None,
    ) -> BeamSettings:
        """What isn't given is the paper's, or the default of the units, `letters` or `pieces`."""
        weight = LM_WEIGHTS[units] if lm_weight is None else lm_weight
        return cls(beam, threshold, weight, WORD_SCORES[units] if word_score is None else word_score)


class WordDecoder:
    """The most probable words of frames, by the sum of CTC's score and the word model's.

    Raises:
        BudgetError: there is no such package for this Python, or the model or the list of words can't be read.
    """

    def __init__(self, alphabet: Alphabet, model: Path, words: Path | None, settings: BeamSettings) -> None:
        """`words`: a list, one a line or first on it; by default the words of an ARPA file `model`."""
        self._decoder, self._dictionary = _open_flashlight()
        listed = list(_read_words(words) if words else _words_of_arpa(model))
        silence = alphabet.numbers([BOUNDARY])[0] if BOUNDARY in alphabet.symbols else _END_OF_SENTENCE
        # each word that the units can spell; what holds these objects must outlive the decoder
        spelled = [(word, numbers) for word in listed if (numbers := _spelled(alphabet, word))]
        if not spelled:
            raise BudgetError(f"`{words or model}` has no word that the model's units can spell: are its letters capitals?")
        names = self._dictionary.create_word_dict({word: [] for word in (UNKNOWN, *(word for word, _ in spelled))})
        self._lm, trie = _open_model(model, names), self._decoder.Trie(alphabet.classes, silence)
        start = self._lm.start(False)
        for word, numbers in spelled:
            index = names.get_index(word)
            trie.insert(numbers, index, self._lm.score(start, index)[1])
        trie.smear(self._decoder.SmearingMode.MAX)
        self._trie, self._names = trie, names
        options = self._decoder.LexiconDecoderOptions(
            beam_size=settings.beam,
            beam_size_token=min(alphabet.classes, UNITS_OF_A_FRAME),
            beam_threshold=settings.threshold,
            lm_weight=settings.lm_weight,
            word_score=settings.word_score,
            unk_score=float("-inf"),
            sil_score=0.0,
            log_add=False,
            criterion_type=self._decoder.CriterionType.CTC,
        )
        unknown = names.get_index(UNKNOWN)
        self._search = self._decoder.LexiconDecoder(options, trie, self._lm, silence, BLANK, unknown, [], False)
        self.told = {"words": len(spelled), **asdict(settings)}
        """For a record."""

    def decode(self, logs: Tensor) -> str:
        """Shape: log-probabilities (F, U) -> words, single spaces between them."""
        frames = logs.float().cpu().contiguous()
        found = self._search.decode(frames.data_ptr(), *frames.shape)
        return " ".join(self._names.get_entry(word) for word in found[0].words if word >= 0) if found else ""


def _open_flashlight() -> tuple[Any, Any]:
    try:
        from flashlight.lib.text import decoder, dictionary
    except ModuleNotFoundError as error:
        raise BudgetError(
            "words need the package flashlight-text, whose wheels there are for Python 3.11 and 3.12: "
            "pip install 'fairseq-budget[asr]'; greedy letters (without `--lm`) need nothing"
        ) from error
    return decoder, dictionary


def _open_model(path: Path, names: Any) -> Any:
    from flashlight.lib.text.decoder.kenlm import KenLM

    if not path.is_file():
        raise _no_model(path)
    try:
        return KenLM(str(path), names)
    except Exception as error:  # pybind turns KenLM's own kinds into RuntimeError or Exception
        reason = " ".join(str(error).split())[-200:]
        raise BudgetError(f"`{path}` is no ARPA file or KenLM binary ({reason})") from error


def _no_model(path: Path) -> BudgetError:
    return BudgetError(f"no word model `{path}`: `fairseq-budget asr lm` makes one, LibriSpeech's is at openslr.org/11")


def _spelled(alphabet: Alphabet, word: str) -> list[int] | None:
    units = alphabet.units.lexicon(word)
    return alphabet.numbers(units) if set(units) <= set(alphabet.symbols) else None


def _words_of_arpa(path: Path) -> Iterator[str]:
    """The unigrams of an ARPA file, which may be compressed by gzip."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            inside = False
            for line in file:
                if line.startswith("\\"):
                    if inside:
                        return
                    inside = line.startswith("\\1-grams:")
                elif inside and len(fields := line.split()) >= 2 and fields[1].lower() not in (BEGIN, END, UNKNOWN):
                    yield fields[1]
    except FileNotFoundError:
        raise _no_model(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetError(
            f"`{path}` is no ARPA file ({error}); for a KenLM binary, list its words with `--words`"
        ) from error


def _read_words(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetError(f"the list of words `{path}` can't be read ({error})") from error
    yield from dict.fromkeys(line.split()[0] for line in lines if line.strip())

"""An n-gram model of words from transcripts, in the ARPA format that KenLM reads.

LibriSpeech's own 4-gram, which paper C decodes with, is read as it is; this one is for corpora that have none.  Libraries
that estimate such models (KenLM, SRILM) need a compiler, and those that don't write no ARPA files.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.files import atomic

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_NEVER = -99.0
"""log10 of the probability of what only conditions, `<s>`, by ARPA's convention."""

Gram = tuple[str, ...]


class WittenBell:
    """Interpolated Witten-Bell smoothing (Chen and Goodman 1999, section 2.6).

    With c(h w) occurrences of word w after history h, and T(h) different words after it:
    ``P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h))``, where h' is h without its first word; below unigrams stands an
    equal share for every word and the unknown one.
    """

    def __init__(self, transcripts: Iterable[str], order: int = 4) -> None:
        """Raises:
        ConfigError: an order below 1.
        BudgetError: there is no word.
        """
        if order < 1:
            raise ConfigError(f"`--order` must be at least 1, but is {order}")
        self.order = order
        self.counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
        for transcript in transcripts:
            words = [BEGIN, *transcript.split(), END]
            for n in range(1, order + 1):
                self.counts[n - 1].update(tuple(words[start : start + n]) for start in range(len(words) - n + 1))
        del self.counts[0][(BEGIN,)]
        if set(self.counts[0]) <= {(END,)}:
            raise BudgetError("the transcripts have no word to make a model of")
        self._after: dict[Gram, list[int]] = defaultdict(lambda: [0, 0])
        for grams in self.counts:
            for gram, count in grams.items():
                total = self._after[gram[:-1]]
                total[0] += count
                total[1] += 1

    def probability(self, gram: Gram) -> float:
        """Of a gram's last word after the others, the last `order` - 1 of which matter."""
        gram = gram[-self.order :]
        history = gram[:-1]
        below = self.probability(gram[1:]) if history else 1 / (len(self.counts[0]) + 1)
        if history and history not in self._after:
            return below
        occurrences, kinds = self._after[history]
        return (self.counts[len(history)][gram] + kinds * below) / (occurrences + kinds)

    def backoff(self, history: Gram) -> float:
        """What the probability after the shorter history is multiplied by for a word that never followed."""
        occurrences, kinds = self._after[history]
        return kinds / (occurrences + kinds)

    def write(self, path: Path) -> None:
        """As an ARPA file, all or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(self._lines())

    def _lines(self) -> Iterator[str]:
        grams = [sorted(counts) for counts in self.counts]
        grams[0] = [(BEGIN,), (UNKNOWN,), *grams[0]]
        yield "\\data\\\n"
        yield from (f"ngram {n}={len(found)}\n" for n, found in enumerate(grams, 1))
        for n, found in enumerate(grams, 1):
            yield f"\n\\{n}-grams:\n"
            yield from (self._line(gram) for gram in found)
        yield "\n\\end\\\n"

    def _line(self, gram: Gram) -> str:
        log = _NEVER if gram == (BEGIN,) else math.log10(self.probability(gram))
        backoff = f"\t{math.log10(self.backoff(gram)):.6f}" if len(gram) < self.order and gram in self._after else ""
        return f"{log:.6f}\t{' '.join(gram)}{backoff}\n"

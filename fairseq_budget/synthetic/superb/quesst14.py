"""A miniature of QUESST 2014, for QbE: 8 kHz.

Audio/quesst14_NNNNN.wav, dev_queries/quesst14_dev_NNNN.wav, eval_queries/quesst14_eval_NNNN.wav
scoring/language_key_{utterances,dev,eval}.lst                      `quesst14Database/PATH LANGUAGE`
scoring/groundtruth_quesst14_{dev,eval}/quesst14*.{rttm,ecf.xml,tlist.xml}    which query is in which recording
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

RATE = 8000
ENGLISH, OTHER = "nnenglish", "czech"
"""SUPERB uses the first only; one recording and one query of each split are of the other."""

QUERIES = {"dev": ("garden", "silver"), "eval": ("window", "brother")}
_DOCUMENTS_WITHOUT = 4
_FOREIGN_WORD = "morning"


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: every query is in two recordings of other speakers."""
    studio = Studio(seed, 8)
    texts = [f"He saw the {word} {studio.sentence(4)}" for words in QUERIES.values() for word in words] * 2
    texts += [studio.sentence(6) for _ in range(_DOCUMENTS_WITHOUT)]
    documents = {f"quesst14_{number:05d}": text for number, text in enumerate(texts, start=1)}
    foreign = f"quesst14_{len(documents) + 1:05d}"
    for (name, text), speaker in zip(documents.items(), studio.speakers(list(documents)), strict=True):
        studio.keep(folder / "Audio" / f"{name}.wav", studio.say(text, speaker), RATE)
    _say_word(studio, _FOREIGN_WORD, folder / "Audio" / f"{foreign}.wav")
    _list(folder, "utterances", "Audio", documents, foreign)
    for split, words in QUERIES.items():
        names = {f"quesst14_{split}_{number:04d}": word for number, word in enumerate(words, start=1)}
        other = f"quesst14_{split}_{len(words) + 1:04d}"
        for name, word in (names | {other: _FOREIGN_WORD}).items():
            _say_word(studio, word, folder / f"{split}_queries" / f"{name}.wav")
        _list(folder, split, f"{split}_queries", names, other)
        truth = {name: [d for d, text in documents.items() if word in text.lower().split()] for name, word in names.items()}
        _ground_truth(
            folder / "scoring" / f"groundtruth_quesst14_{split}", split, truth | {other: [foreign]}, [*documents, foreign]
        )
    return studio.made


def _say_word(studio: Studio, word: str, path: Path) -> None:
    (speaker,) = studio.speakers([path.stem])
    studio.keep(path, studio.say(word, speaker), RATE)


def _list(folder: Path, name: str, place: str, english: Iterable[str], other: str) -> None:
    lines = [f"quesst14Database/{place}/{stem}.wav {ENGLISH}" for stem in english]
    lines.append(f"quesst14Database/{place}/{other}.wav {OTHER}")
    write_lines(folder / "scoring" / f"language_key_{name}.lst", lines)


def _ground_truth(folder: Path, split: str, truth: Mapping[str, list[str]], documents: list[str]) -> None:
    """The three files of NIST's spoken-term detection, with as much in them as a scorer of whole recordings needs."""
    pairs = [(document, query) for query, found in truth.items() for document in found]
    write_lines(folder / f"quesst14_{split}.rttm", (f"LEXEME {d} 1 0.000 1.000 {q} lex <NA> <NA>" for d, q in pairs))
    excerpts = (f'  <excerpt audio_filename="Audio/{name}.wav" channel="1" tbeg="0.000" dur="1.000"/>' for name in documents)
    write_lines(folder / "quesst14.ecf.xml", ("<ecf>", *excerpts, "</ecf>"))
    terms = (f'  <term termid="{query}"><termtext>{query}</termtext></term>' for query in truth)
    write_lines(folder / f"quesst14_{split}.tlist.xml", ("<termlist>", *terms, "</termlist>"))

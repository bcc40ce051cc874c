"""How many labels a recogniser needs, by the batch of its pre-training (Vaessen and van Leeuwen, figure 2 and table 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fairseq_budget import published
from fairseq_budget.studies import batch_size
from fairseq_budget.studies.recognised import (
    COUNTERPARTS,
    LABELLED,
    MINI_COLUMNS,
    MINI_DIFFERENCES,
    MINI_HOURS,
    MINI_SHARES,
    PAPER_COLUMNS,
    PAPER_DIFFERENCES,
    SCRATCH,
    tuned,
)
from fairseq_budget.studies.study import PAPER, Axis, Cell, Kept, Published, Study

MINI_BATCHES = (3.75, 15.0, 120.0)
"""Seconds: of the miniature's seven batches, a small, a middle and the largest one."""
AS_PUBLISHED = {"10 min": "10min", "1 hour": "1h", "10 hours": "10h", "100 hours": "100h", "960 hours": "960h"}
COLUMNS = {
    "clean_letters": "letter_test_clean_wer",
    "other_letters": "letter_test_other_wer",
    "clean_words": "lm4gram_test_clean_wer",
    "other_words": "lm4gram_test_other_wer",
}
"""Ours, and the paper's."""


def _cells(scale: str) -> Sequence[Cell]:
    return list(_all(scale))


def _all(scale: str) -> Iterator[Cell]:
    """Fine-tuned cells, those from scratch first; what they begin from is trained for their sake."""
    parents = [
        replace(cell, auxiliary=True, tasks=())
        for cell in batch_size.STUDY.cells(scale)
        if scale == PAPER or cell.x in MINI_BATCHES
    ]
    size = "base" if scale == PAPER else batch_size.MINI_SIZE
    yield from parents
    for labels, hours in hours_of(scale).items():
        yield tuned(scale, size, labels, None, f"scratch-{size}", SCRATCH, hours)
        for parent in parents:
            yield tuned(scale, size, labels, Kept(parent.name), parent.name, series(parent.x), hours)


def hours_of(scale: str) -> dict[str, float]:
    """Hours with transcripts by name."""
    return LABELLED if scale == PAPER else {name: share * MINI_HOURS for name, share in MINI_SHARES.items()}


def series(seconds: float) -> str:
    """A batch, as a curve is called."""
    return f"batches of {seconds:g} s"


def _published() -> list[Published]:
    return [
        Published(
            "wav2vec2",
            SCRATCH if row["ssl_batch"] == "scratch" else series(batch_size.IN_SECONDS[str(row["ssl_batch"])]),
            LABELLED[AS_PUBLISHED[str(row["labels"])]],
            {ours: float(row[theirs]) for ours, theirs in COLUMNS.items()},
        )
        for row in published.word_errors_by_labels()
    ]


STUDY = Study(
    name="asr_labels",
    title="How many labels a recogniser needs, by the batch of its pre-training",
    source="Vaessen and van Leeuwen, The effect of batch size, figure 2 and table 3",
    axis=Axis("hours of speech with transcripts"),
    cells=_cells,
    published=_published,
    columns=(*PAPER_COLUMNS, *MINI_COLUMNS),
    counterparts=COUNTERPARTS,
    differences={"paper": PAPER_DIFFERENCES, "mini": (*MINI_DIFFERENCES, "Three of the seven batches.")},
)

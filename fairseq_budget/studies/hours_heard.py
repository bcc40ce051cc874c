"""Whether hours heard decide word errors, whatever the batch (Vaessen and van Leeuwen, figure 4 and table 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fairseq_budget import published
from fairseq_budget.arithmetic.units import SECONDS_PER_HOUR
from fairseq_budget.studies import batch_size
from fairseq_budget.studies.asr_labels import MINI_BATCHES, series
from fairseq_budget.studies.recognised import COUNTERPARTS, MINI_COLUMNS, MINI_DIFFERENCES, PAPER_DIFFERENCES, tuned
from fairseq_budget.studies.study import PAPER, Axis, Cell, Kept, Published, Study

LABELS, MINI_LABELS = ("10min", "100h"), ("30min",)
MINI_EIGHTHS = (2, 4, 8)
"""Of the miniature's updates: kept checkpoints that are fine-tuned."""
COLUMNS = ("clean_letters", "other_letters")
ALL_UPDATES = 400_000
"""Of every run of the paper."""


def _cells(scale: str) -> Sequence[Cell]:
    parents = {cell.x: replace(cell, auxiliary=True, tasks=()) for cell in batch_size.STUDY.cells(scale)}
    wanted = list(_published_places() if scale == PAPER else _mini_places())
    used = [parents[seconds] for seconds in dict.fromkeys(seconds for seconds, _ in wanted)]
    return [
        *used,
        *(_tuned(scale, parents[seconds], updates, labels) for seconds, updates in wanted for labels in _sets(scale)),
    ]


def _tuned(scale: str, parent: Cell, updates: int, labels: str) -> Cell:
    """A kept checkpoint, or the last one, fine-tuned; `x` are the hours that it has heard, as an upper bound."""
    size = "base" if scale == PAPER else batch_size.MINI_SIZE
    last = updates == (ALL_UPDATES if scale == PAPER else batch_size.MINI_UPDATES)
    begins, at = Kept(parent.name, None if last else updates), "" if last else f"-at{updates}"
    hours = parent.x * updates / SECONDS_PER_HOUR
    return tuned(scale, size, labels, begins, f"{parent.name}{at}", f"{series(parent.x)}, {labels} of labels", hours)


def _sets(scale: str) -> tuple[str, ...]:
    return LABELS if scale == PAPER else MINI_LABELS


def _published_places() -> Iterator[tuple[float, int]]:
    for row in published.word_errors_by_hours_heard():
        yield batch_size.IN_SECONDS[str(row["ssl_batch"])], thousands(str(row["iteration"]))


def _mini_places() -> Iterator[tuple[float, int]]:
    for seconds in MINI_BATCHES:
        for eighths in MINI_EIGHTHS:
            yield seconds, batch_size.MINI_UPDATES * eighths // 8


def thousands(text: str) -> int:
    """``4.17 k`` as a number."""
    return round(float(text.removesuffix("k").strip()) * 1000)


def _published() -> list[Published]:
    found = []
    for row in published.word_errors_by_hours_heard():
        seconds, updates = batch_size.IN_SECONDS[str(row["ssl_batch"])], thousands(str(row["iteration"]))
        for labels in LABELS:
            values = {f"{part}_letters": float(row[f"ft{labels}_test_{part}_wer"]) for part in ("clean", "other")}
            place = seconds * updates / SECONDS_PER_HOUR
            found.append(Published("wav2vec2", f"{series(seconds)}, {labels} of labels", place, values))
    return found


STUDY = Study(
    name="hours_heard",
    title="Whether hours heard decide word errors, whatever the batch",
    source="Vaessen and van Leeuwen, The effect of batch size, figure 4 and table 4",
    axis=Axis("hours of speech heard in pre-training"),
    cells=_cells,
    published=_published,
    columns=(*COLUMNS, "clean_words", "other_words", *MINI_COLUMNS),
    counterparts=COUNTERPARTS,
    together=lambda series: series.rpartition(", ")[2],
    differences={
        "paper": (*PAPER_DIFFERENCES, "Hours are batch times updates, as in the paper's own axis: full batches."),
        "mini": (
            *MINI_DIFFERENCES,
            "Three batches, checkpoints after 150, 300 and 600 updates, half an hour of labels alone.",
        ),
    },
)

"""Seconds, memory and FLOPs of a step by length, batch and precision (Gao et al. 2022, figure 2 and table 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fairseq_budget import published
from fairseq_budget.studies.study import PAPER, RESOURCES, Axis, Cell, Published, Study

SECONDS, BATCHES = (1, 5, 10, 15), (1, 2, 4, 8, 12)
MINI_BATCHES = (1, 4, 12)
BESIDE = "NVIDIA RTX 2080Ti"
"""Of the paper's four devices, the one that is shown beside."""
PRECISIONS = ("fp32", "bf16")
"""The paper's mixed precision is fp16 on GPUs; bf16 runs on processors, too."""


def _cells(scale: str) -> Sequence[Cell]:
    return list(_all(scale))


def _all(scale: str) -> Iterator[Cell]:
    size = "base" if scale == PAPER else "0.5"
    frontend = () if scale == PAPER else ("--frontend", "mel")
    for precision in PRECISIONS:
        for batch in BATCHES if scale == PAPER else MINI_BATCHES:
            for seconds in SECONDS:
                options = ("--objective", "wav2vec2", "--size", size, *frontend, "--precision", precision)
                yield Cell(
                    f"step-wav2vec2-{size}-{precision}-{batch}x{seconds}s",
                    "",
                    (),
                    f"{batch} utterances, {precision}",
                    seconds,
                    tasks=(RESOURCES,),
                    options=(*options, "--lengths", f"{seconds}", "--batches", f"{batch}"),
                )


def _published() -> list[Published]:
    found = []
    for row in published.step_times():
        if row["device"] != BESIDE or row["batch"] not in MINI_BATCHES:  # `bench grid` shows all four devices
            continue
        text = str(row["seconds_per_batch"])
        step = math.nan if text == "OOM" else float(text)
        series = f"{row['device']}: {row['batch']:g} utterances, {row['precision']}"
        found.append(Published("wav2vec2", series, float(row["seconds"]), {"step_seconds": step}))
    return found


STUDY = Study(
    name="resources",
    title="Seconds, memory and FLOPs of a step, by the length of utterances",
    source="Gao et al. 2022, Match to Win, figure 2 and table 2",
    axis=Axis("seconds of an utterance"),
    cells=_cells,
    published=_published,
    columns=("step_seconds", "peak_gb", "step_gflop"),
    differences={
        "paper": (
            "Times are this machine's; the paper's are of four others, of which the RTX 2080 Ti's stand beside.",
            "Mixed precision is bf16 here, and fp16 there.",
        ),
        "mini": (
            "Mel frames and 0.2 M parameters on this machine; the paper's are of wav2vec 2.0 Base, here on an RTX 2080 Ti.",
        ),
    },
)

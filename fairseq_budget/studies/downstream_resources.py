"""Seconds and memory of a downstream batch, the upstream frozen and trained (Gao et al. 2022, table 3 and figure 3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fairseq_budget import published
from fairseq_budget.studies.sequence_length import FROZEN, RATE, UNFROZEN
from fairseq_budget.studies.study import DOWNSTREAM, PAPER, Axis, Cell, Published, Study

TASKS = {
    "ks": ("KWS", "datarc.batch_size"),
    "sf": ("SF", "corpus.batch_size"),
    "er": ("ER", "datarc.train_batch_size"),
    "sid": ("SID/ASV", "datarc.train_batch_size"),
    "asr": ("ASR", "datarc.batch_size"),
}
"""By task: the paper's name of it, and the setting of its recipe that has the paper's batch."""
MINI_TASKS = ("ks", "er", "sid")
BATCHES, MINI_BATCHES = 20, 3
"""Timed, after one to warm up."""
DEVICES = {"rpi": "Raspberry Pi 4", "jetson_nx": "Jetson Xavier NX", "jetson_agx": "Jetson Xavier AGX"}
"""The paper's, by column."""


def _cells(scale: str) -> Sequence[Cell]:
    return list(_all(scale))


def _all(scale: str) -> Iterator[Cell]:
    upstream, batches = ("random_base", BATCHES) if scale == PAPER else ("random_30", MINI_BATCHES)
    for task, key, size in _tasks(scale):
        for series, rate in ((FROZEN, ()), (UNFROZEN, ("--upstream-lr", f"{RATE:g}"))):
            options = (task, "--upstream", upstream, "--batches", f"{batches}", *rate)
            override = ("-o", f"config.downstream_expert.{key}={size:g}")
            name = f"batch-{task}-{upstream}{'-unfrozen' if rate else ''}"
            yield Cell(name, "", (), series, list(TASKS).index(task), tasks=(DOWNSTREAM,), options=(*options, *override))


def _tasks(scale: str) -> Iterator[tuple[str, str, float]]:
    batches = {str(row["task"]): float(row["batch"]) for row in published.downstream_times()}
    for task, (name, key) in TASKS.items():
        if scale == PAPER or task in MINI_TASKS:
            yield task, key, batches[name]


def _published() -> list[Published]:
    places = {name: place for place, (name, _) in enumerate(TASKS.values())}
    return [
        Published(
            "wav2vec2",
            f"{device}: upstream {mode}",
            places[str(row["task"])],
            {"step_seconds": _seconds(row[f"{key}_{mode}"])},
        )
        for key, device in DEVICES.items()
        for mode in ("frozen", "unfrozen")
        for row in published.downstream_times()
    ]


def _seconds(cell: str | float) -> float:
    return math.nan if cell == "OOM" else float(cell)


STUDY = Study(
    name="downstream_resources",
    title="Seconds and memory of a batch of downstream tasks, the upstream frozen and trained",
    source="Gao et al. 2022, Match to Win, table 3 and figure 3",
    axis=Axis("task", {place: name for place, (name, _) in enumerate(TASKS.values())}),
    cells=_cells,
    published=_published,
    columns=("step_seconds", "peak_gb"),
    differences={
        "paper": (
            "Times are this machine's, the paper's those of three small ones; its figure 3 has no numbers to stand beside.",
            "The heads are SUPERB's, the paper's SpeechBrain's; its slot filling is another corpus, and its line of SID and "
            "ASV is SID here.",
            "ASR's batch is cut in halves by s3prl, as in SUPERB.",
        ),
        "mini": (
            "The encoder of size 30, with the papers' convolutions, on miniatures of SUPERB's corpora with less speech.",
            "Three of the five tasks, KWS, ER and SID, at the paper's batches where the miniature has so many utterances.",
        ),
    },
)

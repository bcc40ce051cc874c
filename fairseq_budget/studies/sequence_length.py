"""How long the utterances of pre-training should be (Gao et al. 2022, table 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fairseq_budget import published
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.studies.cells import MINI_OVERRIDES
from fairseq_budget.studies.study import PAPER, Axis, Cell, Kept, Published, Study

SECONDS = (1, 5, 10, 15)
TASKS = ("ks", "ks35", "sf", "er", "sid", "asv", "asr")
FROZEN, UNFROZEN = "upstream frozen", "upstream unfrozen"
RATE, MINI_RATE = 1e-5, 1e-3
"""Of upstreams that are trained with the head; the paper tells none, this is what SpeechBrain's recipes have."""
COLUMNS = {"KWS12_ACC": "KS_ACC", "KWS35_ACC": "KWS35_ACC", "ER_ACC": "ER_ACC", "SID_ACC": "SID_ACC"}
COLUMNS |= {"ASV_EER": "ASV_EER", "ASR_WER": "ASR_WER"}
"""The paper's columns as ours; its slot filling is another task than SUPERB's."""

MINI_SIZE, MINI_UPDATES, MINI_BATCH_SECONDS = "1", 600, 64
MINI_OBJECTIVES = {"wav2vec2": "wav2vec 2.0", "hubert": "HuBERT"}


def _cells(scale: str) -> Sequence[Cell]:
    pretrained = list(_paper() if scale == PAPER else _mini())
    return [*pretrained, *(_unfrozen(cell, RATE if scale == PAPER else MINI_RATE) for cell in pretrained)]


def _unfrozen(cell: Cell, rate: float) -> Cell:
    """The same checkpoint, evaluated once more."""
    series = cell.series.replace(FROZEN, UNFROZEN)
    name, checkpoint = f"{cell.name}-unfrozen", Kept(cell.name)
    return replace(cell, name=name, series=series, looks_at=checkpoint, upstream_rate=rate)


def _paper() -> Iterator[Cell]:
    for seconds in SECONDS:
        overrides = ("budget=gao2022", f"task.segment_seconds={seconds}")
        yield Cell(f"wav2vec2-base-{seconds}s", "wav2vec2", overrides, FROZEN, seconds, tasks=TASKS)


def _mini() -> Iterator[Cell]:
    """Whole segments, as in the paper: none is cropped.  All validate on the same audio, in crops of 8 s."""
    for objective, title in MINI_OBJECTIVES.items():
        for seconds in SECONDS:
            overrides = (
                f"size={MINI_SIZE}",
                *MINI_OVERRIDES,
                "schedule=polynomial_tenth",
                "task.budget.flops=null",
                f"task.budget.updates={MINI_UPDATES}",
                f"task.segment_seconds={seconds}",
                f"task.max_sample_size={(seconds + 2) * SAMPLE_RATE}",  # segments differ by a second
                f"task.valid_sample_size={8 * SAMPLE_RATE}",
                "dataset.max_tokens_valid=512000",
                "task.min_sample_size=8000",
                f"dataset.max_tokens={MINI_BATCH_SECONDS * SAMPLE_RATE}",
            )
            name = f"{objective}-{MINI_SIZE}-mel-{seconds}s-{MINI_UPDATES}updates"
            yield Cell(name, objective, overrides, f"{title}, {FROZEN}", seconds, tasks=("ks",))


def _published() -> list[Published]:
    return [
        Published(
            "wav2vec2",
            f"upstream {row['mode']}",
            float(row["ssl_seconds"]),
            {ours: float(row[theirs]) for theirs, ours in COLUMNS.items()},
        )
        for row in published.superb_by_sequence_length()
    ]


STUDY = Study(
    name="sequence_length",
    title="How long the utterances of pre-training should be",
    source="Gao et al. 2022, Match to Win, table 1",
    axis=Axis("seconds of a training utterance"),
    cells=_cells,
    published=_published,
    columns=("valid_loss", *COLUMNS.values()),
    differences={
        "paper": (
            "The paper's heads are SpeechBrain's, these are SUPERB's: speakers by x-vectors there, five folds of ER here; "
            "its slot filling (Timers and Such) has no counterpart and is left out.",
            "Unfrozen upstreams learn at 1e-5, whatever the head's rate: the paper tells none.",
        ),
        "mini": (
            "Mel frames and 0.2 M parameters; 600 updates of 64 s, where the paper makes 300,000 of 1.6 h, so that a batch "
            "holds 4 to 64 utterances instead of 384 to 5,760.",
            "HuBERT besides wav2vec 2.0, which learns little in so few updates; keyword spotting alone.",
            "Unfrozen upstreams learn at 1e-3, about the rate of their pre-training.",
        ),
    },
)

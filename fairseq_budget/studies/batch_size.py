"""How large the batches of contrastive pre-training should be (Vaessen and van Leeuwen, figure 1 and table 1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fairseq_budget import published
from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.objectives import get_objective
from fairseq_budget.studies.cells import MINI_OVERRIDES
from fairseq_budget.studies.study import PAPER, Axis, Cell, Published, Study

TASKS = ("pr", "asr", "asr_zh", "asv", "er", "ic")
COLUMNS = {"PR_PER": "PR_PER", "ASR_en_WER": "ASR_WER", "ASR_zh_CER": "ASR_zh_CER"}
COLUMNS |= {"ASV_EER": "ASV_EER", "ER_ACC": "ER_ACC", "IC_ACC": "IC_ACC"}
"""The paper's columns as ours."""
HIGHEST_RATE = 5e-4
SMALLEST = 87.5
"""The smallest batch, in seconds, on which the diversity loss diverged at its weight of 0.1."""
ALL_UPDATES = "400 k"
IN_SECONDS = {"87.5 sec": 87.5, "150 sec": 150.0} | {f"{minutes} min": 60.0 * minutes for minutes in (5, 10, 20, 40, 80)}
STAYS_FAIRSEQS = (
    "GELU and padding of the convolutions, first weights of the feed-forward layers and a layer norm before targets are "
    "quantised are fairseq's."
)

MINI_SIZE, MINI_UPDATES, MINI_SCALE, MINI_CROP_SECONDS = "0.5", 600, 1 / 40, 2


def _cells(scale: str) -> Sequence[Cell]:
    return list(_paper() if scale == PAPER else _mini())


def _paper() -> Iterator[Cell]:
    for row in published.batches():
        seconds, steps = float(row["batch_seconds"]), float(row["gpus"]) * float(row["accumulation"])
        overrides = [
            "budget=vaessen",
            f"optimization.lr=[{chosen_rate(row):g}]",
            f"dataset.max_tokens={round(seconds / steps * SAMPLE_RATE)}",
            "dataset.max_tokens_valid=2400000",  # the same batches for all
            # quotes, because Hydra's command line takes no nested interpolation without them
            "optimization.update_freq=['${fairseq_budget.steps_per_update:${distributed_training.distributed_world_size},"
            f"{steps:g}}}']",
        ]
        if seconds == SMALLEST:
            overrides.append("model.diversity_weight=0.05")
        yield Cell(f"wav2vec2-base-batch{seconds:g}s", "wav2vec2", tuple(overrides), "400k updates", seconds, tasks=TASKS)


def chosen_rate(row: published.Row) -> float:
    """The highest learning rate of the winning rule for a batch."""
    rate = float(row[str(row["chosen"])])
    return HIGHEST_RATE if math.isnan(rate) else rate


def _mini() -> Iterator[Cell]:
    """As many updates, cycles and ratios between batches and between learning rates as in the paper, all else smaller."""
    highest = get_objective("wav2vec2").learning_rate(get_size(MINI_SIZE))
    for row in published.batches():
        seconds = float(row["batch_seconds"]) * MINI_SCALE
        seconds = max(seconds, MINI_CROP_SECONDS)
        overrides = [
            f"size={MINI_SIZE}",
            *MINI_OVERRIDES,
            "schedule=triangular",
            "task.budget.flops=null",
            f"task.budget.updates={MINI_UPDATES}",
            "task.checkpoints=8",
            f"dataset.max_tokens={round(seconds * SAMPLE_RATE)}",
            "dataset.max_tokens_valid=256000",
            f"optimization.lr=[{highest * chosen_rate(row) / HIGHEST_RATE:.3g}]",
            "model.init_seed=123",
            "model.penalties_once=true",
            # once a batch, it has to be as much less as there are fewer frames to be contrasted
            f"model.diversity_weight={MINI_SCALE * (0.05 if row['batch_seconds'] == SMALLEST else 0.1):g}",
            "model.mask_prob=0.54",
        ]
        name = f"wav2vec2-{MINI_SIZE}-mel-batch{seconds:.3g}s-{MINI_UPDATES}updates"
        yield Cell(name, "wav2vec2", tuple(overrides), f"{MINI_UPDATES} updates", seconds, tasks=("ks",))


def _published() -> list[Published]:
    return [
        Published(
            "wav2vec2",
            f"{str(row['steps']).replace(' ', '')} updates",
            IN_SECONDS[str(row["ssl_batch"])],
            {ours: float(row[theirs]) for theirs, ours in COLUMNS.items()},
        )
        for row in published.superb_by_batch_size()
    ]


STUDY = Study(
    name="batch_size",
    title="How large the batches of contrastive pre-training should be",
    source="Vaessen and van Leeuwen, The effect of batch size, figure 1 and table 1",
    axis=Axis("seconds of audio in an update"),
    cells=_cells,
    published=_published,
    columns=("valid_loss", *COLUMNS.values(), "KS_ACC"),
    differences={
        "paper": (STAYS_FAIRSEQS,),
        "mini": (
            "Mel frames, 0.2 M parameters, batches 40 times smaller in crops of 2 s, 600 updates in eight cycles.",
            "Learning rates have the paper's ratios to that of the largest batch; keyword spotting alone.",
            "GELU and the first weights of attention are fairseq's, too.",
        ),
    },
)

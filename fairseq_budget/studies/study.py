"""What a study is: its cells, and the published points that stand beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fairseq_budget.errors import unknown_name
from fairseq_budget.objectives.objective import FINETUNE

PAPER, MINI = "paper", "mini"
SCALES = (PAPER, MINI)
"""As published, for a cluster; and from mel frames in mini sizes, for a laptop in less than an hour."""
SEED = 1337
"""The recipes' own; further seeds count up from it."""


RECOGNITION = "recognition"
"""The task of a cell that is fine-tuned: word error rates, by letters and by words."""
GRADIENTS = "gradients"
"""How far the gradients of random batches are apart, at a checkpoint."""
RESOURCES = "resources"
"""Seconds and memory of a step; nothing is trained for it."""
DOWNSTREAM = "downstream-resources"
"""Seconds and memory of a training batch of a SUPERB task; nothing is scored."""
OWN_TASKS = (RECOGNITION, GRADIENTS, RESOURCES, DOWNSTREAM)
"""Evaluations that aren't SUPERB's."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint of a cell: the last one, or the one that was kept after so many updates."""

    cell: str
    updates: int | None = None

    def of_seed(self, seed: int) -> Kept:
        """The same of the cell with another seed."""
        return replace(self, cell=seeded(self.cell, seed))


@dataclass(frozen=True)
class Cell:
    """One run of a study, or a look at another one's run.

    Cells of different studies that train the same have the same name, so that studies in one folder share them.
    """

    name: str
    """Of its folder; tells all that is special about it."""
    recipe: str
    """fairseq-hydra-train's `--config-name`; empty where a step is measured and nothing is trained."""
    overrides: tuple[str, ...]
    """What Hydra changes in the recipe, without data and device."""
    series: str
    """The curve that it belongs to, as it is written in text."""
    x: float
    """Its place on the study's axis."""
    seed: int = SEED
    data_share: float = 1.0
    """Of the training audio, in hours."""
    teacher: str | None = None
    """The cell whose model's features its labels are clusters of; None for labels of MFCC, and where it needs none."""
    tasks: tuple[str, ...] = ()
    """SUPERB's tasks that its checkpoint is evaluated on."""
    auxiliary: bool = False
    """Trained for others' sake, such as a teacher: no point of the study."""
    begins_from: Kept | None = None
    """Of fine-tuning, the checkpoint; None of pre-training, and from scratch."""
    looks_at: Kept | None = None
    """A checkpoint that is evaluated; such a cell isn't trained itself."""
    options: tuple[str, ...] = ()
    """Of the command that evaluates it."""
    upstream_rate: float | None = None
    """Where SUPERB's tasks train the upstream, too, its learning rate; None: it is frozen."""

    @property
    def trained(self) -> bool:
        """Whether it has a run of its own."""
        return bool(self.recipe) and self.looks_at is None

    @property
    def fine_tuned(self) -> bool:
        """Whether its run is one of fine-tuning."""
        return self.recipe == FINETUNE


@dataclass(frozen=True)
class Published:
    """A point of a paper's table or figure; `values` by column (:mod:`fairseq_budget.published.columns`) or loss."""

    objective: str
    series: str
    x: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Axis:
    """What a study varies."""

    title: str
    """With its unit, for tables and figures."""
    names: Mapping[float, str] = field(default_factory=dict)
    """Of places that are no numbers; then the axis isn't logarithmic."""


@dataclass(frozen=True)
class Study:
    """An experiment of a paper, by its name."""

    name: str
    title: str
    source: str
    """The paper, and its tables and figures."""
    axis: Axis
    cells: Callable[[str], Sequence[Cell]]
    """The cells at a scale."""
    published: Callable[[], Sequence[Published]]
    columns: tuple[str, ...]
    """Metrics that are shown, keys of the values: losses and SUPERB's columns."""
    differences: Mapping[str, tuple[str, ...]]
    """By scale, in what the study differs from the paper, a sentence each."""
    counterparts: Mapping[str, str] = field(default_factory=dict)
    """Columns that stand for another one of the paper, whose points are shown beside."""
    together: Callable[[str], str] | None = None
    """Where the axis should decide whatever the series: what a series shares with others that should be one curve."""

    def runs(self, scale: str, seeds: int = 1) -> list[Cell]:
        """The cells at a scale, repeated over seeds."""
        return list(with_seeds(self.cells(check_scale(scale)), seeds))


def check_scale(scale: str) -> str:
    """The scale itself; an unknown one is an error that lists the known ones."""
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    return scale


def with_seeds(cells: Iterable[Cell], seeds: int) -> Iterator[Cell]:
    """Every cell as often as there are seeds, but for those that only label others, and steps that are measured."""
    cells = list(cells)
    parents = {kept.cell for cell in cells for kept in (cell.begins_from, cell.looks_at) if kept is not None}
    for cell in cells:
        yield cell
        alone = not cell.recipe or (cell.auxiliary and cell.name not in parents)
        for seed in range(SEED + 1, SEED + (1 if alone else seeds)):
            yield replace(
                cell,
                name=seeded(cell.name, seed),
                overrides=(*cell.overrides, f"common.seed={seed}"),
                seed=seed,
                begins_from=cell.begins_from and cell.begins_from.of_seed(seed),
                looks_at=cell.looks_at and cell.looks_at.of_seed(seed),
            )


def seeded(name: str, seed: int) -> str:
    """A cell's name with another seed."""
    return f"{name}-seed{seed}"

"""What a study is: its cells, and the published points that stand beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fairseq_budget.errors import unknown_name

PAPER, MINI = "paper", "mini"
SCALES = (PAPER, MINI)
"""As published, for a cluster; and from mel frames in mini sizes, for a laptop in less than an hour."""
SEED = 1337
"""The recipes' own; further seeds count up from it."""


@dataclass(frozen=True)
class Cell:
    """One pre-training run of a study.

    Cells of different studies that train the same have the same name, so that studies in one folder share them.
    """

    name: str
    """Of its folder; tells all that is special about it."""
    recipe: str
    """fairseq-hydra-train's `--config-name`."""
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

    def runs(self, scale: str, seeds: int = 1) -> list[Cell]:
        """The cells at a scale, repeated over seeds."""
        return list(with_seeds(self.cells(check_scale(scale)), seeds))


def check_scale(scale: str) -> str:
    """The scale itself; an unknown one is an error that lists the known ones."""
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    return scale


def with_seeds(cells: Iterable[Cell], seeds: int) -> Iterator[Cell]:
    """Every cell as often as there are seeds, but for those that only serve others."""
    for cell in cells:
        yield cell
        for seed in range(SEED + 1, SEED + (1 if cell.auxiliary else seeds)):
            yield replace(
                cell, name=f"{cell.name}-seed{seed}", overrides=(*cell.overrides, f"common.seed={seed}"), seed=seed
            )

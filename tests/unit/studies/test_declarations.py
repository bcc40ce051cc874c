"""What every study declares, at every scale."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.errors import ConfigError
from fairseq_budget.objectives import model_config
from fairseq_budget.report.studies.points import OTHERS, RECOGNISED
from fairseq_budget.studies import STUDIES, get_study
from fairseq_budget.studies.compose import compose
from fairseq_budget.studies.study import (
    DOWNSTREAM,
    GRADIENTS,
    MINI,
    PAPER,
    RECOGNITION,
    RESOURCES,
    SCALES,
    SEED,
    Cell,
    Study,
)
from s3prl_upstreams.tasks import get_task

BOTH = pytest.mark.parametrize("scale", SCALES)
EACH = pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)


@EACH
@BOTH
def test_cells_are_told_apart_by_name_and_seed(study: Study, scale: str) -> None:
    cells = study.runs(scale, 3)
    assert len({cell.name for cell in cells}) == len(cells)
    if not any(cell.recipe for cell in cells):
        return  # nothing of it depends on a seed
    repeated = [cell for cell in cells if not cell.auxiliary]
    assert {cell.seed for cell in repeated} == {SEED, SEED + 1, SEED + 2}
    assert len(repeated) == 3 * len([cell for cell in study.cells(scale) if not cell.auxiliary])


@BOTH
def test_studies_that_share_a_cell_mean_the_same_run(scale: str) -> None:
    """They also share its folder."""
    told: dict[str, tuple[object, ...]] = {}
    for study in STUDIES.values():
        for cell in study.cells(scale):
            run = (cell.recipe, cell.overrides, cell.data_share, cell.teacher, cell.begins_from, cell.looks_at)
            run += (cell.upstream_rate,)
            assert told.setdefault(cell.name, run) == run, cell.name
    names = [cell.name for study in STUDIES.values() for cell in study.cells(scale)]
    assert len(set(names)) < len(names), "some are shared"


@EACH
@BOTH
def test_what_is_scored_and_shown_is_known(study: Study, scale: str) -> None:
    shown = {key for task in {t for cell in study.cells(scale) for t in cell.tasks} for key in columns_of(task)}
    assert shown & set(study.columns), "a score that is made is shown"
    for point in study.published():
        assert set(point.values) <= set(study.columns)
    assert set(study.differences) == set(SCALES)


@EACH
@BOTH
def test_what_a_cell_begins_from_is_kept_by_a_cell_of_the_study(study: Study, scale: str) -> None:
    """After a number of updates at which a checkpoint is kept: each eighth of the run's."""
    cells = study.runs(scale, 2)
    trained = {cell.name: cell for cell in cells if cell.looks_at is None}
    for cell in cells:
        for kept in (kept for kept in (cell.begins_from, cell.looks_at) if kept is not None):
            assert trained[kept.cell].seed == cell.seed
            if kept.updates is not None:
                (config,) = compose_once(trained[kept.cell].recipe, trained[kept.cell].overrides)
                assert (8 * kept.updates) % config.task.budget.updates == 0 and config.task.checkpoints == 8


@cache
def compose_once(recipe: str, overrides: tuple[str, ...]) -> list[Any]:
    """Seeds apart, there are few different ones."""
    plain = tuple(override for override in overrides if not override.startswith("common.seed"))
    if plain != overrides:
        return compose_once(recipe, plain)
    return list(compose([Cell("one", recipe, overrides, "", 1)], ["data=folder", "task.data=."]))


def columns_of(task: str) -> set[str]:
    if task == RECOGNITION:
        return set(RECOGNISED)
    if task in (GRADIENTS, RESOURCES, DOWNSTREAM):
        return set(OTHERS) - set(RECOGNISED)
    return {metric.column for metric in get_task(task).metrics}


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_cell_composes(study: Study) -> None:
    """As fairseq-hydra-train would; with seeds, too."""
    cells = [cell for scale in SCALES for cell in one_of_each(study.runs(scale, 2)) if cell.recipe]
    for cell, config in zip(cells, compose(cells, ["data=folder", "task.data=."]), strict=True):
        assert config.common.seed == cell.seed or scale_of(cell) == PAPER
        assert sum(amount is not None for amount in dict(config.task.budget).values()) == 1, "one currency"


def one_of_each(cells: list[Cell]) -> list[Cell]:
    """The first and the last: composing takes half a second each."""
    return [cells[0], cells[-1]]


def scale_of(cell: Cell) -> str:
    return MINI if "frontend=mel" in cell.overrides else PAPER


def test_a_cell_that_does_not_compose_is_named() -> None:
    wrong = Cell("a-cell", "hubert", ("size=slimm",), "HuBERT", 1)
    with pytest.raises(ConfigError, match="cell a-cell can't be composed: .*slimm"):
        list(compose([wrong]))


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown study `model_sizes`: choose one of objectives, .*model_size"):
        get_study("model_sizes")
    with pytest.raises(ConfigError, match="unknown scale `tiny`: choose one of paper, mini"):
        get_study("model_size").runs("tiny")


@pytest.mark.parametrize("name", ["objectives", "improved_small", "sequence_length", "batch_size", "gradient_deviation"])
def test_the_page_tells_how_many_parameters_were_trained(name: str) -> None:
    """Of the miniature, to one digit, quantizers and heads included: as the table beside it."""
    study = get_study(name)
    pretrained = {(cell.recipe, cell.overrides) for cell in study.cells(MINI) if cell.recipe and not cell.fine_tuned}
    configs = [(recipe, compose_once(recipe, overrides)[0].model) for recipe, overrides in pretrained]
    trained = {float(f"{count_parameters(model_config(*found).shape()) / 1e6:.1g}") for found in configs}
    told = {float(number) for text in study.differences[MINI] for number in re.findall(r"([\d.]+) M\b", text)}
    assert told and told <= trained

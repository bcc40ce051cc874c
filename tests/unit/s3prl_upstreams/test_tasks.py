"""The table of tasks, against the recipes and against s3prl's own experts."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairseq_budget.corpora.superb import places
from fairseq_budget.corpora.superb.prepare import PREPARE
from fairseq_budget.errors import ConfigError
from fairseq_budget.published.columns import COLUMNS
from fairseq_budget.report.superb.score import read_scale
from fairseq_budget.synthetic.superb.everything import CORPORA, OF_TASK
from s3prl_upstreams.tasks import ORDER, TASKS, Task, get_task, task_of

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "recipes" / "superb"

REFERENCES = read_scale().zero.values.keys() & read_scale().full.values.keys()
UNSCORED = {"ASR_zh_CER", "KWS35_ACC", "KEYWORDS_ACC", "SPEAKERS_ACC"}
"""Columns that SUPERB's aggregate score has no references for."""
EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))


def recipe(task: Task) -> dict[str, Any]:
    return yaml.safe_load((RECIPES / task.recipe).read_text(encoding="utf-8"))


def texts(value: Any) -> list[str]:
    """All strings in a configuration."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def test_every_recipe_is_a_task_that_can_be_prepared_and_checked() -> None:
    assert {path.name for path in RECIPES.glob("*.yaml")} == {task.recipe for task in TASKS.values()}
    assert set(TASKS) == set(PREPARE)


@EVERY_TASK
def test_a_task_has_an_entry_for_every_aspect(task: Task) -> None:
    """What the other rooms know by a task's name: without it, a user would find out."""
    assert task.paths, "what must be there before it starts"
    assert task.lists is not None, "what its lists name, to be compared with the files"
    assert OF_TASK[task.name] in CORPORA, "a miniature corpus"
    assert all(metric.column in COLUMNS for metric in task.metrics), "columns of the tables"
    assert all(COLUMNS[metric.column].higher_is_better == metric.higher_is_better for metric in task.metrics)
    assert task.scorer is not None or task.name not in ("sd", "qbe"), "who scores what s3prl doesn't"
    if task.selection is None:
        assert task.dev_split is None or not task.trains
    for column in (metric.column for metric in task.metrics):
        assert (column in REFERENCES) != (column in UNSCORED), "references of the aggregate score"


def test_every_file_of_the_folder_is_listed() -> None:
    assert set(ORDER) <= set(TASKS)


def test_unknown_task() -> None:
    with pytest.raises(ConfigError, match="unknown task `vc`: choose one of pr, asr"):
        get_task("vc")


@EVERY_TASK
def test_a_recipe_is_found_to_be_its_task(task: Task) -> None:
    assert task_of(task.downstream, recipe(task)) is task


def test_others_are_found_to_be_none() -> None:
    assert task_of("mosei", {}) is None
    assert task_of("ctc", {"downstream_expert": {"corpus": {"name": "sbcsae"}}}) is None
    assert task_of("ctc", {}) is None


@EVERY_TASK
def test_paths_are_those_of_known_places(task: Task) -> None:
    found = texts(recipe(task))
    assert not any(text.startswith("/") for text in found)
    used = {name for text in found for name in places.variables(text)}
    assert used == set(task.corpora) <= {*places.PLACES, places.BASE}


@EVERY_TASK
def test_every_checked_path_is_in_the_recipe(task: Task) -> None:
    for key in task.paths:
        value: Any = recipe(task)["downstream_expert"]
        for part in key.split("."):
            value = value[part]
        assert all("${" in text for text in (value if isinstance(value, list) else [value]))


@EVERY_TASK
def test_the_run_evaluates_what_is_selected_on(task: Task) -> None:
    config = recipe(task)
    if task.selection is None:
        assert not config["runner"].get("eval_dataloaders")
        return
    assert task.selection.split in config["runner"]["eval_dataloaders"]
    assert task.selection.split == task.dev_split
    metrics = config["downstream_expert"].get("metric")
    if metrics:  # s3prl's ctc expert is told what to measure, and keeps the best by the first
        assert metrics[0] == task.selection.metric == task.main.key
        assert {metric.key for metric in task.metrics} <= set(metrics)
        assert config["downstream_expert"]["metric_higher_better"] == task.selection.higher_is_better


@EVERY_TASK
def test_the_expert_has_the_split_the_metric_and_the_checkpoint(task: Task) -> None:
    """By its source, since importing it needs what only `compat` provides."""
    import s3prl

    source = (Path(s3prl.__file__).parent / "downstream" / task.downstream / "expert.py").read_text(encoding="utf-8")
    if task.selection is not None:
        pattern = task.selection.checkpoint.replace(task.selection.split, r"\{(mode|split)\}")
        assert re.search(pattern, source), pattern
        if task.downstream != "ctc":
            assert f"-{task.selection.metric}" in source or f'"{task.selection.metric}"' in source
    if task.name == "asv":
        assert "-EER" in source


def test_columns_are_those_of_the_published_table() -> None:
    table = ROOT / "fairseq_budget" / "published" / "table2_superb.csv"
    with table.open(encoding="utf-8") as file:
        published = set(next(csv.reader(file))) - {"objective", "arch"}
    columns = {metric.column for task in TASKS.values() for metric in task.metrics}
    assert published <= columns
    assert columns - published == UNSCORED | {"QbE_MTWV"}


def test_units() -> None:
    assert get_task("pr").main.in_units(0.0541) == pytest.approx(5.41)
    assert get_task("asr").main.in_units(6.42) == 6.42
    assert get_task("qbe").main.in_units(0.0736) == 0.0736

"""The rows of the table, from results and from papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.published.columns import OTHERS, TABLE_2, Column
from fairseq_budget.records.names import run_name
from fairseq_budget.records.results import Result
from fairseq_budget.report.noise import item_error
from fairseq_budget.report.superb.references import PUBLISHED, published_rows
from fairseq_budget.report.superb.score import AggregateScore, Scale

OWN = "This study"


@dataclass(frozen=True)
class ScoreRow:
    """An upstream's results in one group of rows: this study's, or a paper's."""

    group: str
    name: str
    values: Mapping[str, float]
    score: AggregateScore | None
    checkpoint: str | None = None
    incomplete: frozenset[str] = frozenset()
    """The columns of tasks whose corpus lacked files."""
    padded: frozenset[str] = frozenset()
    """The columns of tasks in which padded batches changed the upstream's features."""
    miniature: frozenset[str] = frozenset()
    """The columns of tasks that weren't trained by the official recipe."""
    items: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By column, where it is known, each test item's share of the score."""

    def error(self, key: str) -> float | None:
        """Two standard errors of a column's score, over test items; None where they aren't known."""
        found = item_error(self.items.get(key, {}))
        return None if found is None else 2 * found


@dataclass(frozen=True)
class SuperbTable:
    """Columns, rows in order, and sentences that belong below."""

    columns: Sequence[Column]
    rows: Sequence[ScoreRow]
    remarks: Sequence[str]

    @property
    def groups(self) -> Iterator[tuple[str, list[ScoreRow]]]:
        """Rows of each group, in order."""
        for group in dict.fromkeys(row.group for row in self.rows):
            yield group, [row for row in self.rows if row.group == group]

    def is_best(self, row: ScoreRow, column: Column) -> bool:
        """Whether the row's score leads this study's by more than the choice of test items makes.

        Scores of miniatures compete among themselves, those of incomplete corpora not at all.
        """
        key = column.key
        rivals = [one for one in self.rows if one.group == OWN and key in one.values and key not in one.incomplete]
        rivals = [one for one in rivals if (key in one.miniature) == (key in row.miniature)]
        others = [one for one in rivals if one is not row]
        return row in rivals and bool(others) and all(_beats(row, other, column) for other in others)


def _beats(row: ScoreRow, other: ScoreRow, column: Column) -> bool:
    key = column.key
    error = item_error(row.items.get(key, {}), other.items.get(key, {}))
    ahead = (row.values[key] - other.values[key]) * (1 if column.higher_is_better else -1)
    return error is not None and ahead > 2 * error


def collate(results: Sequence[Result], papers: Sequence[str], scale: Scale) -> SuperbTable:
    """The table of these results, of these papers' rows (keys of ``references.PUBLISHED``) and of the score's references.

    Missing cells stay empty.

    Raises:
        BudgetError: two results of one upstream and task: which one counts isn't known.
    """
    own = list(_own(results, scale))
    beside = [
        ScoreRow(PUBLISHED[paper].paper, name, values, scale.score(values))
        for paper in papers
        for name, values in published_rows(paper)
    ]
    anchors = [
        ScoreRow("References of the score", f"{reference.name} ({reference.source})", reference.values, score)
        for reference in scale.references
        if (score := scale.score(reference.values)) is not None
    ]
    shown = {key for row in (*own, *beside) for key in row.values}
    columns = [*TABLE_2, *(column for column in OTHERS if column.key in shown)]
    remarks = [*_remarks(results), *_confidence(own), *scale.remarks, *_scored_tasks([*own, *beside, *anchors])]
    return SuperbTable(columns, [*own, *beside, *anchors], remarks)


def _own(results: Sequence[Result], scale: Scale) -> Iterator[ScoreRow]:
    names = _names(results)
    for key, name in names.items():
        of_upstream = [result for result in results if (result.upstream, result.checkpoint) == key]
        _refuse_two(name, of_upstream)
        values = {column: number for result in of_upstream for column, number in result.values.items()}
        partial = frozenset(column for result in of_upstream if result.incomplete for column in result.values)
        padded = frozenset(column for result in of_upstream if result.padded for column in result.values)
        miniature = frozenset(column for result in of_upstream if result.miniature for column in result.values)
        items = {column: result.items for result in of_upstream for column in result.values if len(result.values) == 1}
        yield ScoreRow(OWN, name, values, scale.score(values), key[1], partial, padded, miniature, items)


def _refuse_two(name: str, results: Sequence[Result]) -> None:
    """BudgetError for two results of a task."""
    by_task: dict[str, Result] = {}
    for result in results:
        other = by_task.setdefault(result.task, result)
        if other is not result:
            raise BudgetError(
                f"two results of {name} on {result.task}, `{other.folder}` and `{result.folder}`: name folders with one of "
                "them (`fairseq-budget superb` chooses among learning rates and averages folds)"
            )


def _names(results: Sequence[Result]) -> dict[tuple[str, str | None], str]:
    """A name for each (upstream, checkpoint) that no other has, with as much of the checkpoint's path as it takes."""
    keys = list(dict.fromkeys((result.upstream, result.checkpoint) for result in results))
    named: dict[tuple[str, str | None], str] = {}
    for more in (lambda path: "", _run, lambda path: f" ({path})"):
        names = {key: key[0] + (more(key[1]) if key[1] else "") for key in keys if key not in named}
        count = Counter(names.values())
        named |= {key: name for key, name in names.items() if count[name] == 1}
    return {key: named.get(key, key[0]) for key in keys}


def _run(checkpoint: str) -> str:
    return f" ({run_name(Path(checkpoint))})"


def _remarks(results: Sequence[Result]) -> Iterator[str]:
    """What there is to say about results; tasks and upstreams of which the same is said, together."""
    names = _names(results)
    tasks: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for remark in result.remarks:
            tasks.setdefault((remark, names[result.upstream, result.checkpoint]), []).append(result.task)
    upstreams: dict[tuple[str, str], list[str]] = {}
    for (remark, name), of_tasks in tasks.items():
        upstreams.setdefault((remark, ", ".join(of_tasks)), []).append(name)
    for (remark, listed), of_names in upstreams.items():
        yield f"{'; '.join(of_names)}, {listed}: {remark}"


def _confidence(own: Sequence[ScoreRow]) -> Iterator[str]:
    if any(row.error(key) is not None for row in own for key in row.values):
        yield (
            "±: two standard errors over test items (bootstrap), where predictions are beside the record. Bold: this "
            "study's best, where it leads by more than two standard errors of the difference; seeds aren't in it."
        )


def _scored_tasks(rows: Sequence[ScoreRow]) -> Iterator[str]:
    """Which tasks scores are over: rows with the same ones in one sentence."""
    by_tasks: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.score is not None:
            by_tasks.setdefault(row.score.tasks, []).append(row.name)
    for tasks, names in by_tasks.items():
        counted = f"{len(tasks)} task{'s' * (len(tasks) > 1)}"
        yield f"Score over {counted} ({', '.join(tasks)}): {'; '.join(dict.fromkeys(names))}."

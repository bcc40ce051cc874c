"""What a study says, in sentences that claim no more than its runs can carry."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.published import DOWNSTREAM_STEPS, FEWEST_UPDATES, MOST_UPDATES, WARMUP_UPDATES
from fairseq_budget.records.names import objective_name, size_name, upstream_name
from fairseq_budget.report.runs import DownstreamRun, PretrainRun
from fairseq_budget.report.study import Study


def comparable(runs: Sequence[PretrainRun]) -> list[PretrainRun]:
    """The runs of one objective that may be compared: budget spent, loss finite, budget the most common among them."""
    ended = _ended(runs)
    if not ended:
        return []
    budgets = Counter(tuple(sorted(run.budget.items())) for run in ended)
    common = max(budgets, key=lambda amounts: (budgets[amounts], amounts))
    return [run for run in ended if tuple(sorted(run.budget.items())) == common]


def _ended(runs: Sequence[PretrainRun]) -> list[PretrainRun]:
    return [run for run in runs if run.finished and math.isfinite(run.valid_loss)]


def what_was_run(study: Study) -> str:
    """Objectives, sizes, budgets and hours of data, in one sentence."""
    if not study.pretrain:
        return f"No pre-training run has a record; {len(study.downstream)} downstream runs have."
    objectives = _listed([objective_name(objective) for objective in study.objectives])
    sizes = sorted({(run.params, run.size) for run in study.pretrain})
    size_names = list(dict.fromkeys(size_name(size) for _, size in sizes))
    budgets = list(dict.fromkeys(show_amounts(run.budget) for run in study.pretrain))
    budget = f"each on a budget of {budgets[0]}" if len(budgets) == 1 else f"on different budgets ({_listed(budgets)})"
    known = sorted({run.data_hours for run in study.pretrain if math.isfinite(run.data_hours)})
    data = _listed([numbers.hours(amount) for amount in known]) or "an unrecorded amount"
    return (
        f"{_counted(len(study.pretrain), 'pre-training run')}: {objectives} in {_counted(len(size_names), 'size')} "
        f"({_listed(size_names)}), {budget}, trained on {data} of speech."
    )


def best_size(objective: str, runs: Sequence[PretrainRun]) -> str:
    """Which size of one objective reached the lowest validation loss at equal budget, and by how much."""
    name, rivals = objective_name(objective), sorted(comparable(runs), key=lambda run: run.valid_loss)
    if not rivals:
        return f"{name}: no run has both spent its budget and recorded a finite validation loss, so no size can be named."
    others = [run.name for run in _ended(runs) if run not in rivals]
    left_out = f" Left out, as they had another budget: {_listed(others)}." if others else ""
    first, budget = rivals[0], show_amounts(rivals[0].budget)
    if len(rivals) == 1:
        return (
            f"{name}: only {size_name(first.size)} has spent a budget of {budget} (validation loss {_loss(first)}), so "
            f"there is nothing to compare it with.{left_out}"
        )
    return (
        f"{name}: of {len(rivals)} sizes at {budget} each, {size_name(first.size)} ({numbers.params(first.params)} "
        f"parameters) reached the lowest validation loss, {_loss(first)}, {_lead(first, rivals[1])}. They spent "
        f"{_range([run.spent['flops'] for run in rivals])}, as a run ends with a whole update.{left_out}"
    )


def best_downstream(task: str, runs: Sequence[DownstreamRun]) -> str:
    """Which upstream of ours scored best on a task's test set, with FBANK and other people's beside it."""
    scored = [run for run in runs if run.scored]
    ours = [run for run in scored if run.size is not None]
    partial = [upstream_name(run.objective, run.size) for run in runs if run.incomplete]
    left_out = f" Of an incomplete corpus, and left out: {_listed(partial)}." if partial else ""
    if not ours:
        return f"{task.upper()}: no pre-trained upstream has a test score.{left_out}"
    pick = max if ours[0].higher_is_better else min
    top = pick(run.test for run in ours)
    winners = _listed([upstream_name(run.objective, run.size) for run in ours if run.test == top])
    per_objective = "; ".join(_best_of(objective, ours) for objective in dict.fromkeys(run.objective for run in ours))
    others = [f"{upstream_name(run.objective, None)} reached {_score(run)}" for run in scored if run.size is None]
    beside = f" {_listed(others)}." if others else ""
    best = f"{task.upper()}, best test score: {winners} ({numbers.score(top, ours[0].unit)})"
    return f"{best}. {per_objective}.{beside}{left_out}"


def caution(study: Study) -> str | None:
    """How far to trust the above: None once every run has outlasted the paper's warm-up."""
    updates = [run.spent["updates"] for run in study.pretrain]
    if not updates or min(updates) >= WARMUP_UPDATES:
        return None
    steps = [run.steps for run in study.downstream if math.isfinite(run.steps)]
    scoring = ""
    if steps:
        scoring = f" Downstream training took {_range(steps, numbers.count)} steps; SUPERB's takes {DOWNSTREAM_STEPS:,}."
    made = _range(updates, numbers.count)
    return (
        f"Read this as a check that everything works, not as a result: the runs made {made} updates with one seed each. "
        f"The paper's made {FEWEST_UPDATES:,} to {MOST_UPDATES:,}, {WARMUP_UPDATES:,} of them for warm-up alone, so which "
        f"size leads here may well be chance or just the speed of its first updates.{scoring}"
    )


def _best_of(objective: str, runs: Sequence[DownstreamRun]) -> str:
    own = [run for run in runs if run.objective == objective]
    pick = max if own[0].higher_is_better else min
    best = pick(own, key=lambda run: run.test)
    ties = [size_name(run.size) for run in own if run.test == best.test and run.size is not None]
    lead = f"{_listed(ties)} ({_score(best)})"
    return f"{objective_name(objective)}: {lead}" + (" as the only size" if len(own) == 1 else "")


def _score(run: DownstreamRun) -> str:
    return numbers.score(run.test, run.unit)


def _loss(run: PretrainRun) -> str:
    return f"{numbers.loss(run.valid_loss)} {run.loss_unit}"


def _lead(first: PretrainRun, second: PretrainRun) -> str:
    """The winner's distance from the next size, told as a tie where four digits cannot tell them apart."""
    distance = second.valid_loss - first.valid_loss
    if math.isclose(first.valid_loss, second.valid_loss, rel_tol=1e-4):
        return f"but {size_name(second.size)} is as good to four digits"
    return f"{numbers.significant(distance, 2)} below {size_name(second.size)}"


def _range(values: Sequence[float], show: Callable[[float], str] = human_flops) -> str:
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} to {high}"


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

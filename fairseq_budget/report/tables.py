"""The page's tables: data frames of text, ready to be shown; what is compared in plots stays a number elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.published import ACCURACY_COLUMNS, superb
from fairseq_budget.records.first_look import FirstLookRecord
from fairseq_budget.records.names import objective_name, run_name, size_name, upstream_name
from fairseq_budget.report.runs import DownstreamRun, PretrainRun, RunOrigin
from fairseq_budget.report.seeds import scores
from fairseq_budget.report.study import StudyRuns


def losses(runs: Sequence[PretrainRun]) -> pd.DataFrame:
    """One row a run: the numbers behind the curves."""
    return pd.DataFrame(
        {
            "run": run.name,
            "objective": objective_name(run.objective),
            "size": size_name(run.size),
            "size (% of Slim)": numbers.of_slim(run.percent),
            "parameters": numbers.params(run.params),
            "budget": show_amounts(run.budget),
            "training loss ↓": numbers.loss(run.train_loss),
            "validation loss ↓": numbers.loss(run.valid_loss),
            "guessing": numbers.loss(run.guessing),
            "unit of losses": run.loss_unit,
        }
        for run in runs
    )


def costs(runs: Sequence[PretrainRun]) -> pd.DataFrame:
    """One row a run, and a last one with totals."""
    rows = [_cost(run) for run in runs]
    return pd.DataFrame([*rows, _total(runs)] if rows else [])


def first_look(record: FirstLookRecord) -> pd.DataFrame:
    """One row a checkpoint and layer; measures that no layer has are left out."""
    layers = [(run_name(Path(one.checkpoint)), *layer) for one in record.results for layer in enumerate(one.layers)]
    known = [name for name in record.measures if any(values.get(name) is not None for _, _, values in layers)]
    rows = [[run, str(layer), *(numbers.measure(values.get(name)) for name in known)] for run, layer, values in layers]
    return pd.DataFrame(rows, columns=["run", "layer", *(record.measures[name] for name in known)])


def forecasts(runs: Sequence[PretrainRun]) -> pd.DataFrame:
    """One row a finished run that was planned: what the planner said, and what the ledger says."""
    return pd.DataFrame(_forecast(run) for run in runs if run.plan and run.finished)


def _forecast(run: PretrainRun) -> dict[str, str]:
    spent = {
        "flops_per_update": run.spent["flops"] / run.spent["updates"],
        "updates": run.spent["updates"],
        "hours_heard": run.spent.get("hours_heard", math.nan),
        "epochs": run.epochs,
    }
    columns = {
        "flops_per_update": ("FLOPs an update", human_flops),
        "updates": ("updates", numbers.count),
        "hours_heard": ("audio heard", numbers.hours),
        "epochs": ("epochs", numbers.significant),
    }
    row = {"run": run.name}
    for key, (name, text) in columns.items():
        row[f"{name}, planned"] = text(run.plan[key])
        row[f"{name}, in the end"] = f"{text(spent[key])} ({spent[key] / run.plan[key] - 1:+.1%})"
    return row


def downstream(runs: Sequence[DownstreamRun]) -> pd.DataFrame:
    """One row a run of one task.  The interval is that of its upstream's mean over seeds."""
    errors = {id(run): score.error for score in scores(runs) for run in score.runs}
    return pd.DataFrame(
        {
            "upstream": upstream_name(run.objective, run.size),
            f"{_titled(run)}, dev": numbers.score(run.dev, run.unit),
            f"{_titled(run)}, test": numbers.score(run.test, run.unit) + (f", {run.incomplete}" if run.incomplete else ""),
            "± 2 standard errors": _error(errors[id(run)], run.unit),
            "best step": numbers.count(run.step),
            "steps": numbers.count(run.steps),
            "learning rate": numbers.NOTHING if math.isnan(run.lr) else f"{run.lr:g}",
            "wall time ↓": numbers.duration(run.wall_seconds),
        }
        for run in runs
    )


def _titled(run: DownstreamRun) -> str:
    """The metric, what is better, and its unit."""
    return f"{run.metric} {'↑' if run.higher_is_better else '↓'}" + (f" ({run.unit})" if run.unit else "")


def _error(error: float | None, unit: str) -> str:
    return numbers.NOTHING if error is None else numbers.score(2 * error, unit)


def published_scores(task: str) -> pd.DataFrame | None:
    """The paper's accuracies in percent for a task by objective, Slim beside Small; None for a task it has none for."""
    if task not in ACCURACY_COLUMNS:
        return None
    table = pd.DataFrame(superb()).pivot(index="objective", columns="arch", values=ACCURACY_COLUMNS[task])
    return pd.DataFrame(
        {
            "published upstream": objective_name(objective),
            "Slim, acc ↑ (%)": f"{row['slim']:.2f}%",
            "Small, acc ↑ (%)": f"{row['small']:.2f}%",
        }
        for objective, row in table.loc[[name for name in OBJECTIVES if name in table.index]].iterrows()
    )


def origins(study: StudyRuns) -> pd.DataFrame:
    """Versions and git revision; one row for all runs that share them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for label, origin in origins_by_run(study):
        groups.setdefault((origin.git or "not recorded", _versions(origin)), []).append(label)
    return pd.DataFrame(
        {"runs": ", ".join(names), "git revision": git, "versions": versions} for (git, versions), names in groups.items()
    )


def origins_by_run(study: StudyRuns) -> list[tuple[str, RunOrigin]]:
    """Each run's folder below the study, and where its numbers come from."""
    pretrain = [(f"pretrain/{run.name}", run.origin) for run in study.pretrain]
    return pretrain + [(f"downstream/{run.task}/{run.name}", run.origin) for run in study.downstream]


def _versions(origin: RunOrigin) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(origin.versions.items())) or "not recorded"


def _cost(run: PretrainRun) -> dict[str, str]:
    return {
        "run": run.name,
        "parameters": numbers.params(run.params),
        "budget": show_amounts(run.budget),
        "FLOPs spent": human_flops(run.spent["flops"]),
        "share of budget (%)": numbers.percent(run.share),
        "updates": numbers.count(run.spent["updates"]),
        "audio heard (time)": numbers.hours(run.spent.get("hours_heard", math.nan)),
        "wall time ↓": numbers.duration(run.spent.get("wall_seconds", math.nan)),
        "device time ↓": numbers.hours(run.spent.get("device_hours", math.nan)),
        "speed ↑ (FLOP/s)": numbers.flops_rate(run.flops_per_second),
    }


def _total(runs: Sequence[PretrainRun]) -> dict[str, str]:
    """Sums of what may be summed; the speed is that of all runs together."""

    def total(currency: str) -> float:
        amounts = [run.spent[currency] for run in runs if currency in run.spent]
        return math.fsum(amounts) if amounts else math.nan

    timed = [run for run in runs if run.spent.get("wall_seconds", 0.0) > 0]
    seconds = total("wall_seconds")
    rate = math.fsum(run.spent["flops"] for run in timed) / seconds if seconds > 0 else math.nan
    return {
        "run": "total",
        "parameters": "",
        "budget": "",
        "FLOPs spent": human_flops(total("flops")),
        "share of budget (%)": "",
        "updates": numbers.count(total("updates")),
        "audio heard (time)": numbers.hours(total("hours_heard")),
        "wall time ↓": numbers.duration(seconds),
        "device time ↓": numbers.hours(total("device_hours")),
        "speed ↑ (FLOP/s)": numbers.flops_rate(rate),
    }

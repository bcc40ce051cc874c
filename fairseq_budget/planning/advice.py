"""What the three papers say together about one run: each piece with its source, and how far it reaches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget import published
from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.plan import PlannedRun
from fairseq_budget.arithmetic.sizes import SIZES, get_size
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.objectives import get_objective
from fairseq_budget.planning.choice import OFF_CURVE, PUBLISHED_FLOPS, Choice, NoChoice
from fairseq_budget.published import FEWEST_UPDATES, WARMUP_UPDATES
from fairseq_budget.published.columns import TABLE_2

A, B, C = "Liu et al. 2024", "Gao et al. 2022", "Vaessen and van Leeuwen"
LENGTHS = {"KWS12_ACC": "KS", "KWS35_ACC": "KS35", "ER_ACC": "ER", "SID_ACC": "SID", "ASV_EER": "ASV", "ASR_WER": "ASR"}
"""Paper B's columns, by the tasks that they are of."""
NEARLY = 1.05
"""A loss within this factor of the lowest."""


@dataclass(frozen=True)
class Advice:
    """One decision: what it is about, what to do, and why."""

    about: str
    choice: str
    why: str


@dataclass(frozen=True)
class Plan:
    """All of it for one run, with the command that trains it."""

    advice: tuple[Advice, ...]
    command: str | None
    """None where no size is chosen."""


def advise(
    objective: str,
    runs: Sequence[PlannedRun],
    choice: Choice | NoChoice,
    budget: Mapping[str, float],
    frontend: str = DEFAULT,
    own: Sequence[Path] = (),
) -> Plan:
    """Advice on a budget for the planned sizes; one's `own` finished runs outweigh the papers where they bound an optimum.

    Raises:
        BudgetError: own runs that can't be read, or that no optimum follows from.
    """
    size, why = (choice.name, choice.explanation) if not own else _own_size(objective, frontend, runs, own)
    advice = [_objective(objective), Advice("size", size or "none", why)]
    run = next((run for run in runs if run.name == size), None)
    if run is None or size is None:
        return Plan((*advice, _length()), None)
    advice += _alternatives(objective, runs, run, frontend)
    advice += [_length(), _batch(), _rate(objective, size), _warmup(run), _hours(run)]
    return Plan(tuple(advice), _command(objective, size, budget, frontend, run))


def _objective(objective: str) -> Advice:
    """By how many columns of table 2 each objective leads with Slim."""
    slim = [row for row in published.superb() if row["arch"] == "slim"]
    best = [
        (max if column.higher_is_better else min)(slim, key=lambda row: float(row[column.key]))["objective"]  # noqa: B023
        for column in TABLE_2
    ]
    wins = {str(row["objective"]): best.count(row["objective"]) for row in slim}
    told = ", ".join(f"{get_objective(name).title} in {count}" for name, count in wins.items())
    leader = max(wins, key=lambda name: wins[name])
    choice = get_objective(objective).title
    if objective in wins and objective != leader:
        choice += f" (as asked; {get_objective(leader).title} leads)"
    return Advice("objective", choice, f"of {len(TABLE_2)} scores of Slim, best: {told}; one run each ({A}, table 2)")


def _alternatives(objective: str, runs: Sequence[PlannedRun], chosen: PlannedRun, frontend: str) -> Iterator[Advice]:
    """Planned sizes whose published loss is nearly the lowest, and what they cost beside the chosen one."""
    of = get_objective(objective)
    losses = {row["percent_of_slim"]: float(row["valid_loss"]) for row in of.published_curve()}
    if frontend != DEFAULT or not losses:
        return
    found = []
    for run in runs:
        loss = losses.get(of.percent(get_size(run.name))) if run.name in SIZES and run.name != OFF_CURVE else None
        if loss is not None and run.name != chosen.name and loss <= NEARLY * min(losses.values()):
            found.append(f"{run.name} ({_beside(run, chosen)})")
    if found:
        lowest = f"published losses within {100 * (NEARLY - 1):.0f}% of the lowest, at {human_flops(PUBLISHED_FLOPS)}"
        yield Advice("instead", ", ".join(found), f"{lowest} ({A}, figure 2)")


def _beside(run: PlannedRun, chosen: PlannedRun) -> str:
    """Parameters, which are memory, and time where it is known."""
    told = [f"{run.params / chosen.params:.2g} x the parameters"]
    if run.device_hours is not None:
        told.append(f"{numbers.hours(run.device_hours)} of device time")
    return ", ".join(told)


def _length() -> Advice:
    """Of paper B's lengths, the best for each task."""
    rows = [row for row in published.superb_by_sequence_length() if row["mode"] == "frozen"]
    best: dict[float, list[str]] = {}
    for key, task in LENGTHS.items():
        scores = {float(row["ssl_seconds"]): float(row[key]) for row in rows}
        pick = min if key.endswith(("EER", "WER")) else max
        best.setdefault(pick(scores, key=lambda seconds: scores[seconds]), []).append(task)  # noqa: B023 - called here
    told = "; ".join(f"{seconds:g} s for {', '.join(tasks)}" for seconds, tasks in sorted(best.items()))
    why = f"best, wav2vec 2.0 Base, frozen: {told}; one run each ({B}, table 1)"
    return Advice("utterances", "as long as the task's", why)


def _batch() -> Advice:
    """How much batches differ at equal hours heard."""
    groups: dict[str, list[float]] = {}
    for row in published.word_errors_by_hours_heard():
        groups.setdefault(str(row["hours_seen"]), []).append(float(row["ft100h_test_clean_wer"]))
    spread = max((max(rates) - min(rates)) / min(rates) for rates in groups.values() if len(rates) > 1)
    why = (
        f"at equal hours heard, word error rates of batches from 150 s to 80 min differ by {100 * spread:.0f}% at most; "
        f"beyond 40 min gradients agree already ({C}, table 4 and figure 3; wav2vec 2.0 Base)"
    )
    return Advice("batch", "175 s, or what your devices hold, up to 40 min", why)


def _rate(objective: str, size: str) -> Advice:
    rate = get_objective(objective).learning_rate(get_size(size))
    why = f"released for 175 s ({A}); another batch: times the square root of their ratio, which won up to 20 min ({C})"
    return Advice("learning rate", f"{rate:g}", why)


def _warmup(run: PlannedRun) -> Advice:
    if run.updates >= FEWEST_UPDATES:
        share = WARMUP_UPDATES / run.updates
        return Advice(
            "warm-up", f"{WARMUP_UPDATES:,} updates", f"of every released run ({A}); {100 * share:.1f}% of this one"
        )
    return Advice(
        "warm-up",
        "8% of the budget",
        f"Slim's share ({A}); the published runs made {FEWEST_UPDATES:,} updates or more, this one makes {run.updates:,}",
    )


def _hours(run: PlannedRun) -> Advice:
    """The published run that heard as much."""
    rows = [row for row in published.superb_by_batch_size() if row["steps"] == "400 k"]
    near = min(rows, key=lambda row: abs(math.log(_published_hours(row) / run.hours_heard)))
    heard = _published_hours(near)
    factor = max(heard / run.hours_heard, run.hours_heard / heard)
    far = "" if factor < 2 else f"; {factor:,.1f} times away from it"
    scores = f"PR {near['PR_PER']}%, ASR {near['ASR_en_WER']}%, ASV {near['ASV_EER']}%"
    why = f"wav2vec 2.0 Base that heard {heard:,.0f} h: {scores} ({C}, table 5){far}"
    return Advice("hours heard", numbers.hours(run.hours_heard), why)


def _published_hours(row: published.Row) -> float:
    return 1000 * float(str(row["hours_seen"]).removesuffix(" k"))


def _own_size(objective: str, frontend: str, runs: Sequence[PlannedRun], folders: Sequence[Path]) -> tuple[str | None, str]:
    """By the power law through the optima of one's own budgets.

    Parameters of a size are those of one's own runs of it, where there are any: HuBERT's depend on how many labels it has.
    """
    from fairseq_budget.planning.isoflop.analysis import analyse
    from fairseq_budget.planning.isoflop.points import read_points

    points = read_points(list(folders), "valid_loss", objective, frontend)
    found, trained = analyse(points), {point.size: point.params for point in points}
    law = found.power_law_parabola
    if law is None:
        raise BudgetError("`--runs` has an optimum at one budget only: sizes on a second budget tell how it grows")
    optima = {
        run.name: abs(math.log(trained.get(run.name, run.params) / (law.coefficient * run.flops**law.exponent)))
        for run in runs
    }
    name = min(optima, key=lambda size: optima[size])
    run = next(run for run in runs if run.name == name)
    low, high = (human_flops(fit.flops) for fit in (found.budgets[0], found.budgets[-1]))
    beyond = run.flops / found.budgets[-1].flops
    bounds = "" if law.interval is None else f" ({law.interval[0]:.2f} to {law.interval[1]:.2f})"
    far = f"; this budget is {beyond:,.0f} times the largest of them" if beyond > 1.05 else ""
    return name, f"your own runs on {low} to {high}: the best size grows with FLOPs^{law.exponent:.2f}{bounds}{far}"


def _command(objective: str, size: str, budget: Mapping[str, float], frontend: str, run: PlannedRun) -> str:
    (currency, amount), *_ = budget.items()
    words = ["fairseq-hydra-train --config-dir recipes", f"--config-name {objective} size={size}"]
    words += [] if frontend == DEFAULT else [f"frontend={frontend}"]
    words += ["budget=paper" if currency == "flops" else "budget=custom", f"task.budget.{currency}={amount:g}"]
    words += [] if run.updates >= FEWEST_UPDATES or currency != "flops" else ["schedule=polynomial"]
    return " ".join(words)

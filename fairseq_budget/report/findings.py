"""What a study says, in sentences that claim no more than its runs can carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.published import DOWNSTREAM_STEPS, FEWEST_UPDATES, MOST_UPDATES, WARMUP_UPDATES
from fairseq_budget.records.names import objective_name, size_name, upstream_name
from fairseq_budget.report.curves import Curve, CurvePoint, curves, noise, seed_deviation
from fairseq_budget.report.runs import DownstreamRun, PretrainRun
from fairseq_budget.report.seeds import SeedScore, ordered, scores
from fairseq_budget.report.study import MOST_NAMES, StudyRuns


def what_was_run(study: StudyRuns) -> str:
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


def best_sizes(objective: str, runs: Sequence[PretrainRun]) -> list[str]:
    """Which size of one objective reached the lowest validation loss on each budget, and by how much; how it grew."""
    found = curves(runs)
    if not found:
        name = objective_name(objective)
        return [f"{name}: no run has both spent its budget and recorded a finite validation loss, so no size can be named."]
    deviation = seed_deviation(found)
    several = [curve for curve in found if len(curve.points) > 1]
    return [*(_best_size(objective, curve, deviation) for curve in found), *_growth(objective, several)]


def _best_size(objective: str, curve: Curve, deviation: float | None) -> str:
    name, best, budget = objective_name(objective), curve.best, show_amounts(curve.budget)
    size, loss = size_name(best.size), f"{numbers.loss(best.loss)} {curve.runs[0].loss_unit}"
    if len(curve.points) == 1:
        return (
            f"{name}: only {size} has spent a budget of {budget}{_heard_by(curve)} (validation loss {loss}), so there is "
            "nothing to compare it with."
        )
    second = sorted(curve.points, key=lambda point: point.loss)[1]
    return (
        f"{name}: of {len(curve.points)} sizes at {budget} each{_heard_by(curve)}, {size} ({numbers.params(best.params)} "
        f"parameters) reached the lowest validation loss, {loss}, {_lead(best, second, deviation)}. They spent "
        f"{_range([run.spent['flops'] for run in curve.runs])}, as a run ends with a whole update."
    )


def _heard_by(curve: Curve) -> str:
    return "" if curve.frontend == DEFAULT else f" ({curve.frontend} front end)"


def _growth(objective: str, several: Sequence[Curve]) -> list[str]:
    """How the best size depends on the budget, of curves that have two sides."""
    if len(several) < 2:
        return []
    found = ", ".join(f"{numbers.params(curve.best.params)} at {show_amounts(curve.budget)}" for curve in several)
    text = f"{objective_name(objective)}: the lowest loss is that of {found}."
    ends = [show_amounts(curve.budget) for curve in several if not curve.inside]
    if ends:
        text += f" At {_listed(ends)} it is the smallest or the largest that was tried: the true one may lie beyond."
    return [text]


def best_downstream(task: str, runs: Sequence[DownstreamRun]) -> str:
    """Which upstream of ours scored best on a task's test set, with FBANK and other people's beside it."""
    partial = [upstream_name(run.objective, run.size) for run in runs if run.incomplete]
    left_out = f" Of an incomplete corpus, and left out: {_listed(partial)}." if partial else ""
    found = scores([run for run in runs if run.scored])
    ours = [score for score in found if score.runs[0].pretrained]
    if not ours:
        return f"{task.upper()}: no pre-trained upstream has a test score.{left_out}"
    best, *rest = ordered(ours)
    winners = _listed([score.name for score in ours if score.test == best.test])
    others = [f"{score.name} reached {_score(score)}{_apart(best, score)}" for score in found if score not in ours]
    beside = f" {_listed(others)}." if others else ""
    objectives = dict.fromkeys(score.runs[0].objective for score in ours)
    per_objective = "; ".join(_best_of([s for s in ours if s.runs[0].objective == name]) for name in objectives)
    lead = _test_lead(best, rest[0]) if rest and rest[0].test != best.test else ""
    word = "highest" if best.runs[0].higher_is_better else "lowest"
    return (
        f"{task.upper()}, {word} test score: {winners} ({_score(best)}){lead}. {per_objective}.{beside}{_on_dev(best, ours)}"
        f"{left_out}"
    )


def selection(study: StudyRuns) -> str:
    """On what was chosen, and what was only read."""
    if not study.downstream:
        return ""
    swept = "learning rate and checkpoint" if any(run.tried for run in study.downstream) else "checkpoint"
    return (
        f"Of each downstream run, the {swept} with the best score on dev was chosen and tested; upstreams are compared by "
        "test scores, as in the paper. What may be chance: two standard errors of the difference, over seeds "
        "and, where predictions are there, over test items (bootstrap)."
    )


def _test_lead(best: SeedScore, second: SeedScore) -> str:
    """How far it is ahead of the next, and whether that is more than chance."""
    distance, chance = abs(best.test - second.test), best.chance(second)
    text = f", {_points(best, distance)} from {second.name}"
    if chance is None:
        return f"{text}: how much of it is chance isn't known"
    if distance > chance:
        return f"{text}, more than the {_points(best, chance)} that chance makes"
    return f"{text}, which is within the {_points(best, chance)} that chance makes: call it a tie"


def _apart(best: SeedScore, other: SeedScore) -> str:
    """Of somebody else's upstream: a word where the difference is noise."""
    chance = best.chance(other)
    return " (a tie)" if chance is not None and abs(best.test - other.test) <= chance else ""


def _on_dev(best: SeedScore, ours: Sequence[SeedScore]) -> str:
    pick = max if best.runs[0].higher_is_better else min
    known = [score for score in ours if math.isfinite(score.dev)]
    first = pick(known, key=lambda score: score.dev) if known else best
    return "" if not known or math.isclose(first.dev, best.dev) else f" On dev, {first.name} leads."


def _points(score: SeedScore, value: float) -> str:
    unit = score.runs[0].unit
    return f"{numbers.significant(value, 2)} points" if unit == "%" else numbers.score(value, unit)


def caution(study: StudyRuns) -> str | None:
    """How far to trust the above: None once every run is of a published size and has outlasted the paper's warm-up."""
    mini = [run for run in study.pretrain if _is_mini(run)]
    short = [run for run in study.pretrain if not _is_mini(run) and run.spent["updates"] < WARMUP_UPDATES]
    told = [*_mini_caution(mini), *_short_caution(short)]
    steps = [run.steps for run in study.downstream if math.isfinite(run.steps)]
    if told and steps:
        told.append(f"Downstream training took {_range(steps, numbers.count)} steps; SUPERB's takes {DOWNSTREAM_STEPS:,}.")
    return " ".join(told) or None


def _is_mini(run: PretrainRun) -> bool:
    return run.size in SIZES and SIZES[run.size].mini


def _mini_caution(runs: Sequence[PretrainRun]) -> Iterator[str]:
    if runs:
        sizes = _range([run.params for run in runs], numbers.params)
        flops = _range([run.spent["flops"] for run in runs])
        yield (
            f"Sizes of {sizes} parameters on {flops}: at equal budget they show what size is worth, not which size to "
            "take at the paper's budgets, which are a million times larger."
        )


def _short_caution(runs: Sequence[PretrainRun]) -> Iterator[str]:
    if runs:
        made = _range([run.spent["updates"] for run in runs], numbers.count)
        named = _listed([run.name for run in runs]) if len(runs) <= MOST_NAMES else f"{len(runs)} runs"
        who = "it" if len(runs) == 1 else "they"
        yield (
            f"Read {named} as a check that everything works, not as a result: {who} made {made} updates, where the paper's "
            f"made {FEWEST_UPDATES:,} to {MOST_UPDATES:,}, {WARMUP_UPDATES:,} of them for warm-up alone, so which size "
            "leads there may well be chance or just the speed of its first updates."
        )


def _best_of(own: Sequence[SeedScore]) -> str:
    """The best of one objective's upstreams."""
    best = ordered(own)[0]
    ties = [size_name(score.runs[0].size or "") for score in own if score.test == best.test]
    text = f"{objective_name(best.runs[0].objective)}: {_listed(ties)} ({_score(best)})"
    return text + (" as the only size" if len(own) == 1 else "")


def _score(score: SeedScore) -> str:
    """Its mean; over several seeds with the standard deviation."""
    unit, text = score.runs[0].unit, numbers.score(score.test, score.runs[0].unit)
    if score.deviation is None:
        return text
    return f"{text} ± {numbers.score(score.deviation, unit)} over {len(score.runs)} seeds"


def _lead(first: CurvePoint, second: CurvePoint, deviation: float | None) -> str:
    """The winner's distance from the next size, and whether it is more than seeds make."""
    distance, other = second.loss - first.loss, size_name(second.size)
    if math.isclose(first.loss, second.loss, rel_tol=1e-4):
        return f"but {other} is as good to four digits"
    below = f"{numbers.significant(distance, 2)} below {other}"
    if deviation is None:
        return f"{below} (one seed each, so how much of it is chance isn't known)"
    chance = noise(first, second, deviation)
    made = f"the {numbers.significant(chance, 2)} that seeds make"
    return f"{below}, more than {made}" if distance > chance else f"{below}, which is within {made}: call it a tie"


def _range(values: Sequence[float], show: Callable[[float], str] = human_flops) -> str:
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low} to {high}"


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

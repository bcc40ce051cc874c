"""Steps of this project and of its peers, side by side."""

from __future__ import annotations

from collections.abc import Iterator

from fairseq_budget.bench.compare import Entry, compare
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.bench.implementations import OURS, peers_of
from fairseq_budget.bench.workload import Workload

STEPS = 5


def speed(target: Target) -> Iterator[Observation]:
    """HuBERT, in each precision: seconds of a step, share of the device's peak, and how many times faster than a peer."""
    name = str(target.device)
    loads = [Workload("hubert", target.size, precision, *target.batch, name) for precision in target.precisions]
    entries = [Entry(who, load) for load in loads for who in (OURS, *peers_of("hubert"))]
    for row in compare(entries, STEPS if target.on_gpu else 1, not target.on_gpu, lambda _: None).rows:
        what = f"{row.implementation} {row.precision}"
        if row.step_seconds is None:
            yield Observation(what, row.failure or "no step", good=False if row.implementation == OURS else None)
            continue
        ratio = (row.times_faster or {}).get(f"{OURS} {row.precision}")
        told = "" if ratio is None or row.implementation == OURS else f"; {OURS} is {ratio.median:.2f} times as fast"
        yield Observation(what, f"{row.step_seconds:.3g} s a step, {row.matmul_share or 0:.0%} of peak{told}")

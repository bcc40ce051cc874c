"""What ``fairseq-budget plan --probe`` asks of this machine, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.plan import Setting
from fairseq_budget.arithmetic.sizes import Size
from fairseq_budget.arithmetic.units import GIB, SAMPLE_RATE
from fairseq_budget.cli.output import plain_table
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import DEFAULT

if TYPE_CHECKING:
    from fairseq_budget.planning.probe import Probe

SMALL_BATCH = "2x5"
"""What two CPU cores do in a second or two."""


@dataclass(frozen=True)
class Probed:
    """The probes of a plan's rows, and the machine they ran on."""

    device: str
    precision: str
    matmul_flops_per_second: float
    probes: Sequence[Probe]

    @property
    def update_seconds(self) -> list[float]:
        return [probe.update_seconds for probe in self.probes]

    def machine(self) -> dict[str, Any]:
        """The machine, for a program."""
        return {name: value for name, value in asdict(self).items() if name != "probes"}


def run_probe(
    objective: str,
    sizes: Sequence[Size],
    setting: Setting,
    device_name: str | None,
    precision: str | None,
    batch: str | None,
    seconds: float,
    frontend: str = DEFAULT,
) -> Probed:
    """Measure every size for at most so many `seconds` in all.

    `batch` is written `2x5`: two utterances of 5 s.  Without it a GPU gets the plan's own batch, about which a small one
    would tell nothing, and a CPU :data:`SMALL_BATCH`.
    """
    # torch takes seconds to import: a plan without a probe must not wait for it
    from fairseq_budget.planning import machine
    from fairseq_budget.planning.probe import Prober

    device = machine.open_device(device_name)
    precision = machine.check_precision(precision, device)
    if batch is None and device.type == "cuda":
        utterances, samples = max(setting.samples_per_batch // setting.crop, 1), setting.crop
    else:
        utterances, samples = _parse_batch(batch or SMALL_BATCH)
    rate = machine.matmul_rate(device, precision)
    prober = Prober(objective, setting, device, precision, rate, utterances, samples, seconds, frontend)
    return Probed(machine.device_name(device), precision, rate, prober.probe(sizes))


def _parse_batch(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+(?:\.\d+)?)", text)
    if match is None:
        raise ConfigError(f"`--probe-batch` is utterances x seconds, such as {SMALL_BATCH}, but is `{text}`")
    return int(match[1]), round(float(match[2]) * SAMPLE_RATE)


def print_probe(console: Console, names: Sequence[str], probed: Probed) -> None:
    """The second table of a plan."""
    table = plain_table("size", "probe", "batch", "an update", "FLOP/s", "of peak", "memory", "largest", left=2)
    for name, probe in zip(names, probed.probes, strict=True):
        table.add_row(name, *_cells(probe))
    console.print(table)
    console.print(
        f"{probed.device}, {probed.precision}; peak: {numbers.flops_rate(probed.matmul_flops_per_second)}, measured on "
        "products of matrices; memory: of a worker's batch as planned, reckoned; largest: audio that fits into a worker's "
        "batch with the memory that is free. Scaled rows take the FLOP/s of the largest measured size.",
        highlight=False,
        soft_wrap=not console.is_terminal,
    )
    fitting = [(name, probe) for name, probe in zip(names, probed.probes, strict=True) if probe.max_tokens is not None]
    if fitting:
        console.print("\nThe fewest batches that a worker accumulates for an update of the plan:", highlight=False)
    for name, probe in fitting:
        settings = f"optimization.update_freq=[{probe.accumulation}] dataset.max_tokens={probe.max_tokens}"
        console.print(f"  {name}: {settings}", highlight=False, markup=False, soft_wrap=True)


def _cells(probe: Probe) -> Iterator[str]:
    yield probe.how
    yield f"{probe.utterances} x {probe.samples / SAMPLE_RATE:.3g} s"
    yield numbers.duration(probe.update_seconds)
    yield numbers.flops_rate(probe.flops_per_second)
    yield numbers.percent(probe.matmul_share)
    yield numbers.NOTHING if probe.plan_bytes is None else f"{probe.plan_bytes / GIB:.1f} GiB"
    yield numbers.NOTHING if probe.largest_batch is None else f"{probe.largest_batch / SAMPLE_RATE:.0f} s"

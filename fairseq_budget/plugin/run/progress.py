"""Tells where a run is: a line now and then in plain words, and the same for programs in a file."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import CURRENCIES, show_amounts
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.plugin.screen import show_progress
from fairseq_budget.records.progress import FILE, ProgressRecord

logger = logging.getLogger(__name__)

FIRST_SECONDS, SECONDS = 10.0, 60.0
"""Until the first line of a process, when its speed is known roughly, and from one to the next."""
FILE_SECONDS = 2.0
"""From one writing of the file to the next."""


@dataclass(frozen=True)
class Devices:
    """What a run trains on, as far as its user told: price of an hour and peak FLOP/s are one device's."""

    count: int = 1
    price: float | None = None
    peak: float | None = None

    def price_of(self, device_seconds: float | None) -> float | None:
        """None where either is unknown."""
        return None if self.price is None or device_seconds is None else self.price * device_seconds / 3600

    def peak_share(self, flops_per_second: float) -> float | None:
        """Of all of them together."""
        return flops_per_second / (self.count * self.peak) if self.peak else None


class Progress:
    """Of one process, on the rank that writes; telling costs a look at the loss, which waits for the device."""

    def __init__(
        self,
        amounts: Mapping[str, float],
        folder: Path | None,
        devices: Devices,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder`: the run's, where the file is written; None: nowhere."""
        self.amounts, self.folder, self.devices, self.clock = amounts, folder, devices, clock
        self.begun: tuple[float, float, float] | None = None
        """Time, share and FLOPs after this process's first update, which took longer than others."""
        self.next = self.next_file = 0.0

    def tell(self, share: float, ledger: Ledger, loss: Callable[[], float | None]) -> None:
        """An update was charged."""
        now = self.clock()
        if self.begun is None:
            self.begun = now, share, ledger.flops
            self.next, self.next_file = now + FIRST_SECONDS, now + FILE_SECONDS
            return
        if now < min(self.next, self.next_file):
            return
        record = self._record(now - self.begun[0], share, ledger, loss())
        self.next_file = now + FILE_SECONDS
        if self.folder is not None:
            record.write(self.folder / FILE)
        told = line(record, self.amounts)
        show_progress(told)
        if now >= self.next:
            self.next = now + SECONDS
            logger.info(told)

    def _record(self, seconds: float, share: float, ledger: Ledger, loss: float | None) -> ProgressRecord:
        assert self.begun is not None  # noqa: S101 - by the caller
        _, first_share, first_flops = self.begun
        gained, rate = share - first_share, (ledger.flops - first_flops) / seconds
        left = max(1 - share, 0.0) / gained * seconds if gained > 0 else None
        return ProgressRecord(
            share=share,
            updates=ledger.updates,
            flops=ledger.flops,
            hours_heard=CURRENCIES["hours_heard"].spent(ledger),
            flops_per_second=rate,
            peak_share=self.devices.peak_share(rate),
            seconds_left=left,
            price=self.devices.price_of(ledger.device_seconds),
            price_left=self.devices.price_of(None if left is None else left * self.devices.count),
            loss=loss,
        )


def line(record: ProgressRecord, amounts: Mapping[str, float]) -> str:
    """``12.3% of 1.33 EFLOP: 49,000 updates, 1,234 h heard, 33.10 TFLOP/s (33.1% of peak), 11.2 h left, loss 4.321,
    price 3.14 and 22.40 to come``."""
    peak = "" if record.peak_share is None else f" ({numbers.percent(record.peak_share)} of peak)"
    told = [
        f"{numbers.count(record.updates)} updates",
        f"{human_flops(record.flops)}",
        f"{numbers.hours(record.hours_heard)} heard",
        numbers.flops_rate(record.flops_per_second or 0.0) + peak,
    ]
    told += [] if record.seconds_left is None else [f"{numbers.duration(record.seconds_left)} left"]
    told += [] if record.loss is None else [f"loss {numbers.loss(record.loss)}"]
    to_come = "" if record.price_left is None else f" and {record.price_left:,.2f} to come"
    told += [] if record.price is None else [f"price {record.price:,.2f}{to_come}"]
    return f"{numbers.percent(record.share)} of {show_amounts(amounts)}: {', '.join(told)}"

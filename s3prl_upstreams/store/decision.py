"""Whether a store pays for a task: a count, which gives the same answer every time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.numbers import percent, significant
from fairseq_budget.errors import ConfigError, unknown_name
from s3prl_upstreams.store import entry, folder
from s3prl_upstreams.store.demand import Demand

MODES = ("auto", "fp32", "fp16", "off")

FLOPS_PER_SECOND = {"cpu": 1e11, "cuda": 2e13}
"""What small models reach on a kind of device, roughly: a few cores, one GPU."""
BYTES_PER_SECOND = 2e9
"""Read, checked and put into a batch, roughly: from a solid-state disk, or from memory that was read before."""


@dataclass(frozen=True)
class Options:
    """What the user asked for: the mode, the largest size in GiB (None: what the disk has room for), the folder."""

    mode: str = "auto"
    gib: float | None = None
    folder: str | None = None

    def check(self) -> None:
        """Raises:
        ConfigError: what can't be meant.
        """
        if self.mode not in MODES:
            raise unknown_name("--cache", self.mode, MODES)
        if self.gib is not None and self.gib <= 0:
            raise ConfigError(f"`--cache-gib` must be above 0, but is {self.gib:g}")

    @property
    def place(self) -> Path:
        """The store's folder."""
        return Path(self.folder) if self.folder else folder.default_folder()

    @property
    def limit(self) -> int | None:
        """The store's largest size, in bytes."""
        return None if self.gib is None else round(self.gib * folder.GIB)

    def room(self) -> int:
        """Bytes that the store may have: those that it has may make room."""
        may = sum(file.size for file in folder.files(self.place)) + folder.free_bytes(self.place)
        return may if self.limit is None else min(may, self.limit)


@dataclass(frozen=True)
class Decision:
    """`mode` is fp32, fp16 or off; `reason` is a sentence for the user."""

    mode: str
    reason: str


@dataclass(frozen=True)
class Price:
    """What a task costs its upstream: bytes of a store in fp32, FLOPs with a store and without (None: not known)."""

    store_bytes: float
    flops_without: float | None
    flops_with: float | None


_MEANS = 2
"""That are kept of an utterance: s3prl may read a frame behind its end."""


def store_bytes(upstream: Any, demand: Demand, half: bool, means: bool = False) -> float:
    """Bytes of the hidden states of all utterances of a :class:`~s3prl_upstreams.store.upstream.Storable`, or of their
    means over time."""
    count, width = upstream.state_shape()
    return demand.each(lambda samples: entry.size(count, _MEANS if means else upstream.frames(samples), width, half))


def decide(options: Options, demand: Demand, price: Price, device: str) -> Decision:
    """Take what the user asked for; of `auto`, a store in fp32 if it saves time and has room, and none otherwise.

    `device` is the kind, cpu or cuda.  The time is saved where what is computed once and then read takes less than what is
    computed each time.
    """
    heard = f"{demand.utterances:,} utterances are heard {significant(demand.passes)} times"
    if cropped := demand.cropped(lambda samples: 1) / max(1, demand.visited(lambda samples: 1)):
        heard += f" ({percent(cropped)} as random crops, which are computed each time)"
    if options.mode == "off":
        return Decision("off", "hidden states aren't stored (`--cache off`)")
    if options.mode != "auto":
        size = price.store_bytes / (2 if options.mode == "fp16" else 1)
        return Decision(options.mode, f"hidden states are stored ({options.mode}, {_gib(size)}): {heard}")
    reading = price.store_bytes / BYTES_PER_SECOND
    if price.flops_without is not None and price.flops_with is not None:
        saved = (price.flops_without - price.flops_with) / FLOPS_PER_SECOND[device]
        if demand.passes < 1.5 or saved <= reading * demand.passes:
            return Decision("off", f"hidden states aren't stored: {heard}, and reading them would take longer than it saves")
    room = options.room()
    if price.store_bytes > room:
        others = "" if price.store_bytes / 2 > room else f"; `--cache fp16` needs {_gib(price.store_bytes / 2)}"
        return Decision(
            "off",
            f"hidden states aren't stored: they need {_gib(price.store_bytes)}, there is room for {_gib(room)}{others}",
        )
    return Decision("fp32", f"hidden states are stored (fp32, {_gib(price.store_bytes)}): {heard}")


def _gib(size: float) -> str:
    """``0.02 GiB``, ``123 GiB``."""
    gib = size / folder.GIB
    return f"{gib:.1f} GiB" if gib >= 10 else f"{gib:.2g} GiB"

"""An upstream with a store, where the user wants one or a count says that it pays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from torch import nn

from fairseq_budget.errors import ConfigError
from s3prl_upstreams.store.decision import Options, Price, decide, store_bytes
from s3prl_upstreams.store.demand import Demand
from s3prl_upstreams.store.folder import Store
from s3prl_upstreams.store.upstream import StoredUpstream
from s3prl_upstreams.sweep.spent import upstream_flops

LOGGER = logging.getLogger("s3prl_upstreams.store")
"""Who runs a task shows its lines to the user."""

_CROPS = 1.2
"""Utterances that are stored when they are met for the first time, for each that the task was counted to have."""


def with_store(
    upstream: nn.Module, count: Callable[[], Demand], options: Options, device: str, means: bool = False
) -> nn.Module:
    """`upstream`, or the same with a store; a line to :data:`LOGGER` says which and why.

    `count` counts what the task hears; `device` is s3prl's name of the device; `means` whether an utterance's mean over time
    is all that is read of it.

    Raises:
        ConfigError: the user wants a store and the upstream's features of an utterance depend on its batch.
    """
    if options.mode == "off":
        return upstream
    if not is_storable(upstream):
        if options.mode != "auto":
            raise ConfigError(f"`--cache {options.mode}`, but {NOT_STORABLE}: leave it out, or use one of our upstreams")
        LOGGER.warning(f"hidden states aren't stored: {NOT_STORABLE}")
        return upstream
    demand = count()
    decision = decide(options, demand, price_of(upstream, demand, means), device.partition(":")[0])
    LOGGER.warning(decision.reason)
    if decision.mode == "off":
        return upstream
    store = Store(options.place, options.limit, LOGGER.warning)
    expected = _CROPS * demand.utterances
    return StoredUpstream(upstream, store, decision.mode == "fp16", expected, means)  # type: ignore[arg-type]


def is_storable(upstream: nn.Module) -> bool:
    """Whether an upstream says that its features of an utterance don't depend on its batch: it is a `Storable`."""
    return all(hasattr(upstream, name) for name in ("identity", "frames", "state_shape"))


def price_of(upstream: Any, demand: Demand, means: bool = False) -> Price:
    """What a task costs a `Storable`, with a store in fp32 and without."""

    def flops(samples: int) -> float:
        return upstream_flops(upstream, (samples,)) or 0

    known = upstream_flops(upstream, ()) is not None
    without = demand.visited(flops)
    once = min(without, demand.each(flops) + demand.cropped(flops))
    return Price(store_bytes(upstream, demand, half=False, means=means), *((without, once) if known else (None, None)))


NOT_STORABLE = "this upstream isn't known to give an utterance the same features in every batch"

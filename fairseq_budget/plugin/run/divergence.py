"""Gradients that are no numbers: the update is skipped and charged, what went bad is told, and too many end the run.

fairseq alone ends a run at the first one in 32 bits, and while it looks for the reason it fails at our losses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.errors import ConfigError
from fairseq_budget.plugin.run.diagnosis import causes, first_bad

logger = logging.getLogger(__name__)

ADVICE = "lower `optimization.lr`, lower `optimization.clip_norm`, or train in 32 bits or bf16 instead of fp16"


class Divergence:
    """Judges the gradient of every update, which is the same on every rank."""

    def __init__(self, limit: int, gather: Callable[[Any], list[Any]]) -> None:
        """`limit`: so many bad updates one after the other end the run; `gather` hands what every rank has to every rank.

        Raises:
            ConfigError: a limit below 1.
        """
        if limit < 1:
            raise ConfigError(f"`task.max_bad_updates` must be at least 1, but is {limit}")
        self.limit, self.gather = limit, gather
        self.norm: Tensor | None = None
        """Of the newest gradient that is a number."""
        self.bad = False
        """Whether the update in progress is to be skipped."""
        self.in_a_row = 0
        self.last_good: int | None = None
        self.too_many: str | None = None
        """The reason to stop, if there is one."""
        self._batches: list[tuple[Any, dict[str, Any]]] = []

    def begin_update(self) -> None:
        """Forget the batches of the update before."""
        self.bad = False
        self._batches.clear()

    def note(self, criterion: Any, batch: dict[str, Any]) -> None:
        """A batch of this rank is computed for this update."""
        self._batches.append((criterion, batch))

    def judge(self, norm: Tensor | None, task: Any) -> Tensor | None:
        """The gradient's norm when all ranks' are summed up and scaled; None where half precision has no smaller scale left.

        A norm that is no number becomes 0, and `bad` says that the optimizer must not step.  Every rank must call it.
        """
        update = task.run.control.updates_done
        if task.root.common.amp:  # torch's scaler of float16 steps over such a gradient itself, and has to see it
            return norm
        if norm is not None and bool(torch.isfinite(norm).all()):
            self.in_a_row, self.last_good, self.norm = 0, update, norm
            return norm
        self.bad, self.in_a_row = True, self.in_a_row + 1
        if self.in_a_row == 1:
            self._explain(update, task)
        if norm is None or self.in_a_row >= self.limit:
            why = "fp16 has no smaller loss scale left" if norm is None else f"{self.in_a_row} updates in a row were skipped"
            self.too_many = (
                f"training diverged at update {update}: {why} because their gradients were no numbers; the model is that of "
                f"{self._last_good()}: {ADVICE}, and go on from its checkpoint"
            )
        return torch.zeros(()) if norm is None else torch.zeros_like(norm)

    def _explain(self, update: int, task: Any) -> None:
        """Say what went bad first, in which batch; the same forward pass is done again, with an eye on each layer."""
        found = [first_bad(task, criterion, batch) for criterion, batch in self._batches]
        places = causes(finding for rank in self.gather(found) for finding in rank)
        logger.error(
            "update %d is skipped: its gradient is no number.  First bad: %s.  Last good: %s.  To try: %s",
            *(update, "; ".join(places) or "the sum over ranks", self._last_good(), ADVICE),
        )

    def _last_good(self) -> str:
        return "no update of this start" if self.last_good is None else f"update {self.last_good}"

"""fairseq's trainer: a gradient that is no number is the task's affair."""

from __future__ import annotations

import functools
from typing import Any

from fairseq.trainer import Trainer


def ask_the_task() -> bool:
    """At such a gradient the trainer ends the run, after a search for the reason that fails at losses that aren't tuples
    (`'Loss' object is not subscriptable`); or, on a CPU, fails to skip the update because it asks for a GPU.  A task with a
    `judge_gradient` decides instead, between the clipping of the gradient and the optimizer's step."""
    if not hasattr(Trainer.clip_grad_norm, "__wrapped__"):
        Trainer.clip_grad_norm = _clip(Trainer.clip_grad_norm)
    return True


def _clip(original: Any) -> Any:
    @functools.wraps(original)
    def clip_grad_norm(self: Trainer, clip_norm: float) -> Any:
        judge = getattr(self.task, "judge_gradient", None)
        if judge is None:
            return original(self, clip_norm)
        try:
            norm = original(self, clip_norm)
        except FloatingPointError:  # fp16's loss scale is at its minimum
            norm = None
        return judge(norm)

    return clip_grad_norm

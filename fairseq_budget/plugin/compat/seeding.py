"""fairseq's seeding of torch's generators, before every update and every batch."""

from __future__ import annotations

import functools
from typing import Any

import torch
from fairseq import utils


def seed_the_cpu_at_once() -> bool:
    """Without an accelerator, `torch.manual_seed` notes the seed for one that may come, with the text of the whole call
    stack: 5 ms each time, a third of an update of a small model.  The CPU's generator is seeded by the same number."""
    if not hasattr(utils.set_torch_seed.__init__, "__wrapped__"):
        utils.set_torch_seed.__init__ = _seed(utils.set_torch_seed.__init__)
    return True


def _seed(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, seed: int) -> None:
        if torch.accelerator.is_available():
            original(self, seed)
            return
        self.rng_state = utils.get_rng_state()  # what its `with` statement brings back
        torch.default_generator.manual_seed(seed)

    return __init__

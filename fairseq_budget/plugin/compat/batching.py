"""fairseq's batches where its extensions weren't compiled: its own tasks make theirs with them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from fairseq_budget.plugin.errors import UserError

EXTENSION = "fairseq.data.data_utils_fast"


def batch_without_extensions() -> bool:
    """The installation without a compiler leaves out the functions that share utterances out among batches, and with them
    fine-tuning and pre-training by fairseq's own tasks."""
    if isinstance(sys.modules.get(EXTENSION), _Batching):
        return True
    if EXTENSION in sys.modules or find_spec(EXTENSION) is not None:
        return False
    sys.modules[EXTENSION] = _Batching(EXTENSION)
    return True


class _Batching(ModuleType):
    """What fairseq imports of its extension; N examples, in the order in which they are shared out."""

    @staticmethod
    def batch_by_size_vec(
        indices: np.ndarray, num_tokens: np.ndarray, max_tokens: int, max_sentences: int, multiple: int
    ) -> list[np.ndarray]:
        """Cut the examples into batches of at most so many rows, and tokens with padding; 0 or less: no limit.

        A batch grows by whole multiples of `multiple` rows; what is left before the next one begins it.

        Shape: indices and num_tokens (N,) -> batches of N in all.
        """
        if max_tokens > 0 and len(indices) and num_tokens.max() > max_tokens:
            raise UserError(f"an example has {num_tokens.max()} tokens: set `dataset.max_tokens` to as many or more")
        cuts: list[int] = []
        start = end = longest = longest_left = 0  # of the batch that grows; what lies behind its end is left
        for place, tokens in enumerate(num_tokens.tolist()):
            longest_left = max(longest_left, tokens)
            rows, widest = place + 1 - start, max(longest, longest_left)
            is_full = 0 < max_sentences < rows or 0 < max_tokens < rows * widest
            if is_full:
                cuts.append(end)
                if 0 < max_tokens < longest_left * (place + 1 - end):  # what is left is too much for one batch, too
                    end, longest_left = place, tokens
                    cuts.append(end)
                start, widest = end, longest_left
            if is_full or rows < multiple or rows % multiple == 0:
                end, longest, longest_left = place + 1, widest, 0
        return list(np.split(indices, cuts if end == len(indices) else [*cuts, end])) if len(indices) else []

    @staticmethod
    def batch_by_size_fn(
        indices: np.ndarray, num_tokens_fn: Callable[[Any], int], max_tokens: int, max_sentences: int, multiple: int
    ) -> list[np.ndarray]:
        """The same, of examples whose length a function tells.  Shape: indices (N,) -> batches of N in all."""
        num_tokens = np.fromiter(map(num_tokens_fn, indices), dtype=np.int64, count=len(indices))
        return _Batching.batch_by_size_vec(indices, num_tokens, max_tokens, max_sentences, multiple)

    @staticmethod
    def batch_fixed_shapes_fast(*_: Any) -> list[np.ndarray]:
        """For TPUs.

        Raises:
            UserError: always.
        """
        raise UserError("batches of fixed shapes need fairseq's extensions: install fairseq with a C++ compiler")

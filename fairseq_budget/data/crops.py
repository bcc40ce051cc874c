"""Where a pass over the corpus crops an utterance, and how much of a crop no earlier pass has heard."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def crop_start(seed: int, epoch: int, index: int, spare: int) -> int:
    """The first sample of an utterance's crop, which leaves out `spare` samples: the same whenever it is drawn."""
    return int(np.random.default_rng((seed, epoch, index)).integers(spare + 1))


def new_samples(seed: int, epoch: int, index: int, spare: int, start: int, length: int) -> int:
    """Samples of an epoch's crop that none of the epochs before it has heard; their crops are taken to be as long.

    Of an utterance that is heard whole these are all of the first epoch, and none later.
    """
    if epoch > 1 and not spare:
        return 0
    earlier = (crop_start(seed, before, index, spare) for before in range(epoch - 1, 0, -1))
    return uncovered(start, length, earlier)


def uncovered(start: int, length: int, others: Iterable[int]) -> int:
    """Samples of a stretch that no other stretch of the same length covers; `others` are asked for until none is left."""
    free = [(start, start + length)]
    for other in others:
        free = [piece for begin, end in free for piece in ((begin, min(end, other)), (max(begin, other + length), end))]
        free = [(begin, end) for begin, end in free if begin < end]
        if not free:
            break
    return sum(end - begin for begin, end in free)

"""Audio that cannot be read during training: an error, or skipped, counted and named.

Loader processes cannot stop a run with a readable error, nor count for it, so what they could not read travels in the
batch: `batch["bad_audio"]` is a list of (index, message).  Where nothing of a batch could be read, noise stands in for an
utterance (`batch["stand_in"]`): every rank must take part in every update.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch.distributed as dist

from fairseq_budget.errors import unknown_name
from fairseq_budget.plugin.errors import StopRun

logger = logging.getLogger(__name__)

MAX_SHARE = 0.01
"""More than this share of the utterances skipped, and the run stops."""

ENOUGH = 1000
"""Utterances to have read before that share is judged: among fewer, a few bad ones may have come together by chance."""

BROKEN_SHARE, FEW = 0.1, 100
"""More than this share of so few isn't chance but a broken corpus: were 1% bad, it would happen once in 10^8 times."""

SPLITS = ("train", "valid")


class BadAudio:
    """Counts utterances that were read and that were skipped, over all ranks, and names the skipped ones once each.

    A rank notes what is in its batches; ``collect`` sums over ranks, and every rank must call it with the others.
    """

    def __init__(self, mode: str) -> None:
        """Raises:
        ConfigError: a mode that is neither `error` nor `skip`.
        """
        if mode not in ("error", "skip"):
            raise unknown_name("task.on_bad_audio", mode, ("error", "skip"))
        self.mode = mode
        self.read, self.skipped = dict.fromkeys(SPLITS, 0), dict.fromkeys(SPLITS, 0)
        self._earlier: dict[str, dict[str, int]] = {}
        self._named: set[tuple[str, int]] = set()
        self._forget()

    def _forget(self) -> None:
        self._counts: list[int] = [0] * (2 * len(SPLITS))
        self._new: list[tuple[str, int, str]] = []

    def note(self, split: str, batch: dict[str, Any]) -> None:
        """Enter a batch of this rank.

        Raises:
            StopRun: in mode `error`, naming the file, if it holds bad audio.
        """
        bad: Sequence[tuple[int, str]] = batch.get("bad_audio", ())
        if bad and self.mode == "error":
            raise StopRun(f"{bad[0][1]}; `task.on_bad_audio=skip` would go on without it")
        place = 2 * SPLITS.index(split)
        good = 0 if batch.get("stand_in") else len(batch["id"])
        self._counts[place] += good + len(bad)
        self._counts[place + 1] += len(bad)
        self._new += [(split, index, message) for index, message in bad]

    @property
    def counts(self) -> list[int]:
        """What this rank has noted since the last collection, for summing over ranks."""
        return self._counts

    def collect(self, summed: list[int], gather: Callable[[Any], list[Any]]) -> None:
        """Take over the ranks' summed ``counts`` and start anew; log what is new among the skipped.

        `gather` hands an object of every rank to every rank; it is called where, and only where, the sum tells every
        rank that something was skipped.
        """
        new = gather(self._new) if any(summed[1::2]) else []
        first = not dist.is_initialized() or dist.get_rank() == 0
        self._forget()
        for split, read, skipped in zip(SPLITS, summed[::2], summed[1::2], strict=True):
            self.read[split] += read
            self.skipped[split] += skipped
        for split, index, message in (item for rank in new for item in rank):
            if first and (split, index) not in self._named:
                logger.warning("skipped: %s", message)
            self._named.add((split, index))

    @property
    def too_many(self) -> str | None:
        """The reason to stop, if there is one."""
        for split in SPLITS:
            read, skipped = self.read[split], self.skipped[split]
            share = MAX_SHARE if read >= ENOUGH else BROKEN_SHARE
            if read >= FEW and skipped > share * read:
                return (
                    f"{skipped} of the {read} utterances read for `{split}` were skipped as bad audio, more than "
                    f"{share:.0%}: mend them (the log names them, `fairseq-budget check` finds all) and give the same "
                    "command again, it goes on from the checkpoint"
                )
        return None

    def record(self) -> dict[str, dict[str, float]]:
        """For each split, utterances read and skipped since the run's first start, and their share."""
        state = self.state_dict()
        return {
            split: {**counts, "share": counts["skipped"] / counts["read"]}
            for split, counts in state.items()
            if counts["read"]
        }

    def state_dict(self) -> dict[str, dict[str, int]]:
        """Counts since the run's first start."""
        own = {split: {"read": self.read[split], "skipped": self.skipped[split]} for split in SPLITS}
        return {
            split: {name: count + self._earlier.get(split, {}).get(name, 0) for name, count in counts.items()}
            for split, counts in own.items()
        }

    def load_state_dict(self, state: dict[str, dict[str, int]]) -> None:
        """Take over the counts of earlier starts: the record shows them, the decision to stop doesn't look at them."""
        self._earlier = state

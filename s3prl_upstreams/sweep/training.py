"""The steps of a task, in the order of s3prl's runner, with snapshots from which the same run goes on.

A snapshot is written whenever s3prl would save its states: each cell's ``states-STEP.ckpt``, and then ``pass.pt`` in the
first cell's folder, which says where the loader and the random streams were.  An interrupted run goes back to it, reads
again (without the upstream) the batches of the epoch that were used, and ends with what one without interruption ends with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.arithmetic.currencies import with_current_names
from fairseq_budget.files import atomic
from s3prl_upstreams.sweep import randomness
from s3prl_upstreams.sweep.cells import Cell, states_file
from s3prl_upstreams.sweep.heads import Head, in_turn, load_checkpoint, loader
from s3prl_upstreams.sweep.randomness import Streams
from s3prl_upstreams.sweep.selection import drop_losers, rungs
from s3prl_upstreams.sweep.shared import SharedPass
from s3prl_upstreams.tasks import Selection

SNAPSHOT = "pass.pt"


@dataclass
class Position:
    """Where a run is: updates made, epoch, batches of it that were used, streams when it began, streams now."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    epoch_began: Streams | None = None
    now: Streams | None = None


class Training:
    """The cells of one pass on the batches of ``shared.first``; without `selection` there can be no `halving`."""

    def __init__(
        self, shared: SharedPass, cells: Sequence[Cell], selection: Selection | None, halving: bool = False
    ) -> None:
        self.shared, self.cells, self.selection = shared, cells, selection
        self.runner: dict[str, Any] = cells[0].config["runner"]
        self.total = int(self.runner["total_steps"])
        self.split = self.runner.get("train_dataloader", "train")
        self.rungs = rungs(self.total, self.runner["eval_step"], len(cells)) if halving else {}
        self.position = Position()
        self.backward_steps = 0
        self.batch_ids: list[int] = []

    @property
    def snapshot(self) -> Path:
        """The file that an interrupted run goes on from."""
        return self.cells[0].folder / SNAPSHOT

    def run(self) -> None:
        """Train to the end, from the snapshot if there is one."""
        if self.snapshot.exists():
            self._restore(load_checkpoint(self.snapshot))
        for cell in self.cells:
            cell.head.train()
        self.shared.restart_clock()
        while self.position.step < self.total and self._learning():
            self._epoch()
        self._save_position()  # a run whose last step isn't one of s3prl's saves is finished all the same
        for cell in self.cells:
            cell.head.close()

    def _learning(self) -> dict[Head, Cell]:
        return {cell.head: cell for cell in self.cells if cell.active}

    def _epoch(self) -> None:
        """One pass through the data, or the rest of one that was interrupted."""
        position, now = self.position, self.position.now
        if now:
            randomness.put(position.epoch_began)
        position.epoch_began, position.now = randomness.take(), None
        batches = loader([self.shared.first, *self._learning()], self.split, position.epoch)
        iterator = iter(batches)
        for _ in range(position.batch):
            next(iterator)
        if now:  # before the next batch is read: reading draws, too
            randomness.put(now)
        for index, (waves, *others) in enumerate(iterator, start=position.batch):
            if position.step >= self.total or not self._learning():
                return
            position.batch = index + 1
            self._batch(waves, others, index, len(batches))
        position.epoch, position.batch = position.epoch + 1, 0

    def _batch(self, waves: Any, others: list[Any], index: int, batches: int) -> None:
        cells = self._learning()
        try:
            wavs, features = self.shared.features(waves)
            versions = _versions(features)
            in_turn(cells, lambda head: cells[head].learn(self.split, wavs, features, others))
        except torch.OutOfMemoryError as error:  # as s3prl: this batch is left out
            print(f"no memory for a batch at step {self.position.step + 1}: {error}")
            for cell in cells.values():
                cell.optimizer.zero_grad()
            torch.cuda.empty_cache()
            return
        if _versions(features) != versions:
            raise RuntimeError("a head changed the features that the others share")
        self.batch_ids.append(index)
        self.backward_steps += 1
        updates = self.backward_steps % self.runner["gradient_accumulate_steps"] == 0
        if updates:
            in_turn(cells, lambda head: cells[head].update())
        self.shared.charge(wavs, [cell.spent for cell in cells.values()])
        if updates:
            self._after_update(batches)

    def _after_update(self, batches: int) -> None:
        """s3prl's log, evaluation and checkpoints."""
        self.position.step += 1
        step = self.position.step
        if step % self.runner["log_step"] == 0:
            self._log(batches)
        if step % self.runner["eval_step"] == 0:
            for split in self.runner["eval_dataloaders"]:
                self._evaluate(split)
            if self.selection and step in self.rungs:
                drop_losers(self.cells, self.selection, step, self.rungs[step])
        if step % self.runner["save_step"] == 0:
            self._save()
        self.shared.report("train", step, self.total)

    def _log(self, batches: int) -> None:
        cells = self._learning()
        numbers = {"batch_ids": self.batch_ids, "total_batch_num": batches}
        in_turn(cells, lambda head: head.log(self.split, cells[head].records, self.position.step, **numbers))
        self.batch_ids = []
        for cell in self.cells:
            cell.records = defaultdict(list)

    def _evaluate(self, split: str) -> None:
        cells, step = self._learning(), self.position.step
        ratio = float(self.runner.get("evaluate_ratio", 1))
        wanted = self.shared.evaluate(split, {head: cell.spent for head, cell in cells.items()}, step, ratio)
        for head, names in wanted.items():
            cells[head].save(names, step, self.position.epoch)

    def _save(self) -> None:
        """A snapshot: every cell's states, then the position that makes them count, then away with old states."""
        for cell in self._learning().values():
            cell.save([states_file(cell.folder, self.position.step).name], self.position.step, self.position.epoch)
        self._save_position()
        for cell in self._learning().values():
            cell.keep_latest(int(self.runner["max_keep"]))

    def _save_position(self) -> None:
        position = self.position
        state = {
            "rates": [cell.rate for cell in self.cells],
            "finished": position.step >= self.total or not self._learning(),
            "step": position.step,
            "epoch": position.epoch,
            "batch": position.batch,
            "epoch_began": position.epoch_began.state_dict() if position.epoch_began else None,
            "now": randomness.take().state_dict(),
            "cells": [_outcome(cell) for cell in self.cells],
        }
        with atomic(self.snapshot) as partial:
            torch.save(state, partial)

    def _restore(self, state: dict[str, Any]) -> None:
        for cell, outcome in zip(self.cells, state["cells"], strict=True):
            cell.head.failed, cell.dropped = outcome["failed"], outcome["dropped"]
            vars(cell.spent).update(with_current_names(outcome["spent"]))  # hooks hold on to the object
            if cell.active and not state["finished"]:
                cell.restore(state["step"])
        streams = [randomness.from_state(state[key]) if state[key] else None for key in ("epoch_began", "now")]
        self.position = Position(state["step"], state["epoch"], state["batch"], *streams)


def _outcome(cell: Cell) -> dict[str, Any]:
    return {"failed": cell.head.failed, "dropped": cell.dropped, "spent": asdict(cell.spent)}


def _versions(features: Any) -> list[int]:
    """How often each tensor of an upstream's answer was changed in place."""
    values = features.values() if isinstance(features, dict) else features if isinstance(features, list | tuple) else ()
    if isinstance(features, Tensor):
        return [features._version]
    return [version for value in values for version in _versions(value)]

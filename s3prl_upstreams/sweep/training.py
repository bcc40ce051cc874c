"""The steps of a task, in the order of s3prl's runner, with snapshots from which the same run goes on.

A snapshot is written whenever s3prl would save its states: each trial's ``states-STEP.ckpt``, and then ``pass.pt`` in the
first trial's folder, which says where the loader and the random streams were.  An interrupted run goes back to it, reads
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
from s3prl_upstreams.sweep.heads import DownstreamHead, in_turn, load_checkpoint, loader
from s3prl_upstreams.sweep.randomness import Streams
from s3prl_upstreams.sweep.selection import drop_losers, rungs
from s3prl_upstreams.sweep.shared import SharedPass
from s3prl_upstreams.sweep.trials import Trial, states_file
from s3prl_upstreams.tasks import ModelSelection

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
    """The trials of one pass on the batches of ``shared.first``; without `selection` there can be no `halving`."""

    def __init__(
        self, shared: SharedPass, trials: Sequence[Trial], selection: ModelSelection | None, halving: bool = False
    ) -> None:
        self.shared, self.trials, self.selection = shared, trials, selection
        self.runner: dict[str, Any] = trials[0].config["runner"]
        self.total = int(self.runner["total_steps"])
        self.split = self.runner.get("train_dataloader", "train")
        self.rungs = rungs(self.total, self.runner["eval_step"], len(trials)) if halving else {}
        self.position = Position()
        self.backward_steps = 0
        self.batch_ids: list[int] = []

    @property
    def snapshot(self) -> Path:
        """The file that an interrupted run goes on from."""
        return self.trials[0].folder / SNAPSHOT

    def run(self) -> None:
        """Train to the end, from the snapshot if there is one."""
        if self.snapshot.exists():
            self._restore(load_checkpoint(self.snapshot))
        for trial in self.trials:
            trial.head.train()
        self.shared.restart_clock()
        while self.position.step < self.total and self._learning():
            self._epoch()
        self._save_position()  # a run whose last step isn't one of s3prl's saves is finished all the same
        for trial in self.trials:
            trial.head.close()

    def _learning(self) -> dict[DownstreamHead, Trial]:
        return {trial.head: trial for trial in self.trials if trial.active}

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
        trials = self._learning()
        try:
            wavs, features = self.shared.features(waves)
            versions = _versions(features)
            given = self.shared.selectable(features)
            in_turn(trials, lambda head: trials[head].learn(self.split, wavs, given, others))
        except torch.OutOfMemoryError as error:  # as s3prl: this batch is left out
            print(f"no memory for a batch at step {self.position.step + 1}: {error}")
            for trial in trials.values():
                trial.optimizer.zero_grad()
            torch.cuda.empty_cache()
            return
        if _versions(features) != versions:
            raise RuntimeError("a head changed the features that the others share")
        self.batch_ids.append(index)
        self.backward_steps += 1
        updates = self.backward_steps % self.runner["gradient_accumulate_steps"] == 0
        if updates:
            in_turn(trials, lambda head: trials[head].update())
        self.shared.charge(wavs, [trial.spent for trial in trials.values()], training=True)
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
                drop_losers(self.trials, self.selection, step, self.rungs[step])
        if step % self.runner["save_step"] == 0:
            self._save()
        self.shared.report("train", step, self.total)

    def _log(self, batches: int) -> None:
        trials = self._learning()
        numbers = {"batch_ids": self.batch_ids, "total_batch_num": batches}
        in_turn(trials, lambda head: head.log(self.split, trials[head].records, self.position.step, **numbers))
        self.batch_ids = []
        for trial in self.trials:
            trial.records = defaultdict(list)

    def _evaluate(self, split: str) -> None:
        trials, step = self._learning(), self.position.step
        ratio = float(self.runner.get("evaluate_ratio", 1))
        wanted = self.shared.evaluate(split, {head: trial.spent for head, trial in trials.items()}, step, ratio)
        for head, names in wanted.items():
            trials[head].save(names, step, self.position.epoch)

    def _save(self) -> None:
        """A snapshot: every trial's states, then the position that makes them count, then away with old states."""
        for trial in self._learning().values():
            trial.save([states_file(trial.folder, self.position.step).name], self.position.step, self.position.epoch)
        self._save_position()
        for trial in self._learning().values():
            trial.keep_latest(int(self.runner["max_keep"]))

    def _save_position(self) -> None:
        position = self.position
        state = {
            "rates": [trial.rate for trial in self.trials],
            "finished": position.step >= self.total or not self._learning(),
            "step": position.step,
            "epoch": position.epoch,
            "batch": position.batch,
            "epoch_began": position.epoch_began.state_dict() if position.epoch_began else None,
            "now": randomness.take().state_dict(),
            "cells": [_outcome(trial) for trial in self.trials],
        }
        with atomic(self.snapshot) as partial:
            torch.save(state, partial)

    def _restore(self, state: dict[str, Any]) -> None:
        for trial, outcome in zip(self.trials, state["cells"], strict=True):
            trial.head.failed, trial.dropped = outcome["failed"], outcome["dropped"]
            vars(trial.spent).update(with_current_names(outcome["spent"]))  # hooks hold on to the object
            if trial.active and not state["finished"]:
                trial.restore(state["step"])
        streams = [randomness.from_state(state[key]) if state[key] else None for key in ("epoch_began", "now")]
        self.position = Position(state["step"], state["epoch"], state["batch"], *streams)


def _outcome(trial: Trial) -> dict[str, Any]:
    return {"failed": trial.head.failed, "dropped": trial.dropped, "spent": asdict(trial.spent)}


def _versions(features: Any) -> list[int]:
    """How often each tensor of an upstream's answer was changed in place."""
    values = features.values() if isinstance(features, dict) else features if isinstance(features, list | tuple) else ()
    if isinstance(features, Tensor):
        return [features._version]
    return [version for value in values for version in _versions(value)]

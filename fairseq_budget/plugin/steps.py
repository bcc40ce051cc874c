"""What fairseq asks of a task at every batch and every update."""

from __future__ import annotations

from typing import Any

from fairseq import metrics
from fairseq.tasks import FairseqTask

from fairseq_budget.plugin.errors import user_errors
from fairseq_budget.plugin.run.record import RunRecord
from fairseq_budget.plugin.run.run import Run
from fairseq_budget.plugin.run.seeds import VALIDATION, seed_batch

TRAINING = "training_batches"  # in what a batch logs: tells training from validation, where both are reduced


class Steps(FairseqTask):
    """The part of a task that computes batches, and lets its run know of each."""

    run: Run
    root: Any
    """fairseq's whole configuration."""
    network: Any
    record: RunRecord | None = None

    def train_step(
        self, sample: Any, model: Any, criterion: Any, optimizer: Any, update_num: int, ignore_grad: bool = False
    ) -> tuple[Any, int, dict[str, Any]]:
        """Forward, backward, and what they cost."""
        seed_batch(self.cfg.seed, update_num, sample["id"].tolist())
        self.run.control.updates_done = update_num + 1
        if not ignore_grad:
            self.run.bad_audio.note("train", sample)
            self.run.divergence.note(criterion, sample)
        stand_in = "stand_in" in sample
        loss, frames, logged = super().train_step(sample, model, criterion, optimizer, update_num, ignore_grad or stand_in)
        if stand_in:
            frames, logged = frames * 0, {name: value * 0 for name, value in logged.items()}
        elif ignore_grad:
            self.run.accounts.add_stand_in()
        else:
            self.run.enter_batch(self.network, sample, frames)
        return loss, frames, {**logged, TRAINING: 1}

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> tuple[Any, int, dict[str, Any]]:
        """The same masks at every validation of every run."""
        seed_batch(VALIDATION, 0, sample["id"].tolist())
        self.run.bad_audio.note("valid", sample)
        self.run.stalls.progress()
        loss, frames, logged = super().valid_step(sample, model, criterion)
        if "stand_in" in sample:
            return loss * 0, frames * 0, {name: value * 0 for name, value in logged.items()}
        return loss, frames, logged

    def begin_update(self) -> None:
        """Called by the criterion when fairseq begins an update."""
        # once: fairseq makes batches when an epoch begins, and nothing can be foreseen before
        if self.record is not None and not self.run.control.updates_done:
            with user_errors():
                self.record.foresee()
        self.run.begin_update()

    def judge_gradient(self, norm: Any) -> Any:
        """Called before the optimizer's step (see `compat/gradients.py`): the norm, or 0 for a step that is skipped."""
        return self.run.divergence.judge(norm, self)

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        if not self.run.divergence.bad:
            super().optimizer_step(optimizer, model, update_num)

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Called by fairseq after every update that counts, and after validation: log the objective's terms."""
        if not any(TRAINING in output for output in logging_outputs):
            super().reduce_metrics(logging_outputs, criterion)
            return
        update = self.run.collect()
        # the averages' weights as numbers of the host: fairseq's meters would look at them on the device
        totals = {name: sum(output[name] for output in logging_outputs) for name in logging_outputs[0]}
        if self.run.divergence.bad:  # averages would stay what it is: no number
            metrics.log_scalar("loss", float("nan"), weight=0)
        else:
            super().reduce_metrics([{**totals, "frames": update.frames, "batches": update.batches}], criterion)
        self.run.after_update(update)
        if not self.run.divergence.bad and update.frames:
            self.run.results.hear(totals["loss"] / update.frames, self.run.state.progress)
            means = {name.removeprefix("mean_"): total for name, total in totals.items() if name.startswith("mean_")}
            averages = {name: total / update.batches for name, total in means.items()}
            self.run.results.monitor(averages)
            correct = {"accuracy": totals["correct"] / update.frames} if "correct" in totals else {}
            norm = {} if self.run.divergence.norm is None else {"gnorm": self.run.divergence.norm}
            self.run.look_for_collapse(averages | correct | norm)

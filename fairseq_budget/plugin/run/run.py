"""A run: its parts, and what each of fairseq's hooks means for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq import metrics
from fairseq.distributed import utils as distributed

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.currencies import CURRENCIES
from fairseq_budget.arithmetic.units import hours_from_samples
from fairseq_budget.plugin.config import budget_amounts
from fairseq_budget.plugin.run import state
from fairseq_budget.plugin.run.accounting import Accounts, Collected, cost_of
from fairseq_budget.plugin.run.bad_audio import BadAudio, BadAudioError
from fairseq_budget.plugin.run.control import Control
from fairseq_budget.plugin.run.kept import KeptCheckpoints
from fairseq_budget.plugin.run.signals import Interruption
from fairseq_budget.plugin.run.waiting import Waiting


class Run:
    """The parts of a run and the order in which they hear of an update."""

    def __init__(self, cfg: Any, root: Any) -> None:
        """`cfg` is the task's configuration, `root` fairseq's whole one.

        Raises:
            ConfigError: no budget, one in an unknown currency, or an unknown way to handle bad audio.
        """
        self.state = state.start(Budget(budget_amounts(cfg.budget)))
        self.control = Control(root)
        self.kept = KeptCheckpoints(cfg.checkpoints)
        self.accounts = Accounts()
        self.waiting = Waiting()
        self.interruption = Interruption()
        self.bad_audio = self.state.parts["bad_audio"] = BadAudio(cfg.on_bad_audio)
        self.given_up: str | None = None
        """Why the run ends with an error, once its last checkpoint is there."""
        self.state.listeners.append(self._after_charge)

    def begin_update(self) -> None:
        """Raises BadAudioError if too much of the audio was bad."""
        if self.given_up is not None:
            raise BadAudioError(self.given_up)
        self.accounts.begin_update()
        self.control.begin_update()

    def enter_batch(self, network: Any, sample: dict[str, Any], frames: int, first_pass: bool) -> None:
        """A batch was computed whose losses are sums over so many masked frames."""
        padded = sample["net_input"]["source"].size(1)
        self.accounts.add(cost_of(network, sample["samples"].tolist(), padded, first_pass), frames)

    def collect(self) -> Collected:
        """Sum this update over ranks.  Every rank must call it, once an update."""
        return self.accounts.collect(self.interruption.asked, self.waiting.take(), self.bad_audio.counts)

    def after_update(self, update: Collected) -> None:
        """Charge an update that counts, log it, and stop if that is asked for or necessary."""
        self.state.charge(update.cost, distributed.get_data_parallel_world_size())
        self._log(update)
        self.bad_audio.collect(update.others, self.accounts.gather)
        if self.bad_audio.too_many:  # first the checkpoint, then the error, when fairseq begins the next update
            self.control.save_after_this_update()
            self.control.skip_validation()
            self.given_up = self.bad_audio.too_many
        if update.stop and self.state.progress < 1:
            self.control.stop_for_now()

    def after_validation(self) -> None:
        """Every rank must call it, after each validation."""
        self.bad_audio.collect(self.accounts.sum(self.bad_audio.counts), self.accounts.gather)

    def after_save(self, path: Path) -> None:
        """A checkpoint was written by this rank."""
        self.kept.keep(path)
        if self.interruption.asked:
            self.interruption.hand_on()

    def _after_charge(self) -> None:
        """The ledger has changed: by an update, or because a checkpoint's was taken over."""
        if self.state.progress >= 1:
            self.control.end(self.state.ledger.updates)
        if not self.control.updates_done:
            self.kept.resume(self.state.progress)
        elif self.kept.pass_by(self.state.progress):
            self.control.save_after_this_update()

    def _log(self, update: Collected) -> None:
        ledger, seconds = self.state.ledger, update.cost.device_seconds
        entries = {name: currency.spent(ledger) for name, currency in CURRENCIES.items() if currency.logged}
        entries |= {
            "hardware_flops": ledger.hardware_flops,
            "budget_share": self.state.progress,
            "unique_hours": hours_from_samples(ledger.unique_samples),
            "updates_skipped": ledger.skipped_updates,
        }
        for name, value in entries.items():
            metrics.log_scalar(name, value, weight=0, priority=50)
        metrics.log_scalar("data_wait", update.waited / max(seconds, 1e-9), weight=seconds, round=4)

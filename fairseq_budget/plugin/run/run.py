"""A run: its parts, and what each of fairseq's hooks means for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairseq import metrics
from fairseq.distributed import utils as distributed

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.currencies import CURRENCIES, show_amounts
from fairseq_budget.arithmetic.ledger import Cost
from fairseq_budget.arithmetic.units import hours_from_samples
from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin.config import budget_amounts
from fairseq_budget.plugin.errors import StopRun
from fairseq_budget.plugin.run import folder, state
from fairseq_budget.plugin.run.accounting import Accounts, Collected, cost_of
from fairseq_budget.plugin.run.bad_audio import BadAudio
from fairseq_budget.plugin.run.collapse import CollapseWatch
from fairseq_budget.plugin.run.control import Control
from fairseq_budget.plugin.run.corpus import CorpusWatch
from fairseq_budget.plugin.run.divergence import Divergence
from fairseq_budget.plugin.run.generations import Generations
from fairseq_budget.plugin.run.kept import KeptCheckpoints
from fairseq_budget.plugin.run.origin import LAST, find_origin
from fairseq_budget.plugin.run.parent import Parent
from fairseq_budget.plugin.run.progress import Devices, Progress
from fairseq_budget.plugin.run.results import Results
from fairseq_budget.plugin.run.signals import Interruption
from fairseq_budget.plugin.run.stalls import StallGuard
from fairseq_budget.plugin.run.waiting import Waiting
from fairseq_budget.records.pretraining import STOPPED_EARLY

logger = logging.getLogger(__name__)


class Run:
    """The parts of a run and the order in which they hear of an update."""

    def __init__(self, cfg: Any, root: Any) -> None:
        """`cfg` is the task's configuration, `root` fairseq's whole one.

        Raises:
            ConfigError: no budget, one in an unknown currency, or an unknown way to handle bad audio or damage.
            BudgetError: the checkpoint to start from isn't there, or is damaged; another process trains in the folder.
        """
        settings = root.get("checkpoint")
        self.state = state.start(Budget(budget_amounts(cfg.budget)))
        self.accounts, self.waiting, self.interruption = Accounts(), Waiting(), Interruption()
        self.is_master = distributed.is_master(root.distributed_training)
        self.control = Control(root)
        self.generations = Generations(settings, cfg.on_damaged_checkpoint)
        self.on_master(lambda: folder.hold(settings))
        self.on_master(self.generations.repair)
        self.origin = find_origin(settings)
        self.control.start_from(self.origin)
        self.state.inherits = self.origin.read is not None and not self.origin.own
        self.divergence = Divergence(cfg.max_bad_updates, self.accounts.gather)
        self.collapse = CollapseWatch(cfg.on_collapse)
        self.stalls = StallGuard(cfg.stall_minutes)
        self.bad_audio = BadAudio(cfg.on_bad_audio)
        self.kept = KeptCheckpoints(cfg.checkpoints, self.amounts)
        self.results = Results(root.dataset.valid_subset.split(","))
        ranks = root.distributed_training.distributed_world_size
        devices = Devices(ranks, cfg.price_per_device_hour, cfg.peak_flops_per_second)
        place = self.generations.folder
        self.progress = Progress(self.amounts, None if place is None else place.parent, devices)
        self.parent = Parent(self.origin)
        self.corpus = CorpusWatch()
        self.state.parts |= {"bad_audio": self.bad_audio, "kept": self.kept, "results": self.results}
        self.state.parts |= {"parent": self.parent, "corpus": self.corpus, "collapse": self.collapse}
        self.given_up: str | None = None
        """Why the run ends with an error, once its last checkpoint is there."""
        self.state.listeners.append(self._after_charge)
        if any(self.accounts.gather(self.interruption.asked)):
            self._do_not_start()

    @property
    def amounts(self) -> dict[str, float]:
        """The budget, by currency."""
        return self.state.budget.amounts

    @property
    def already_spent(self) -> bool:
        """Whether this process has nothing to train, and keeps the files of the run."""
        return self.is_master and self.state.progress >= 1 and not self.control.updates_done

    def on_master(self, action: Callable[[], None]) -> None:
        """Let one rank do what all wait for.  Every rank must call it; an error of that one is every rank's."""
        problem = None
        if self.is_master:
            try:
                action()
            except BudgetError as error:
                problem = str(error)
        for told in self.accounts.gather(problem):
            if told is not None:
                raise BudgetError(told)

    def _do_not_start(self) -> None:
        """A signal came before there was anything to save."""
        logger.info("%s: nothing is lost, the same command goes on", STOPPED_EARLY)
        self.control.do_not_start()
        if self.is_master:
            self.interruption.hand_on()

    def begin_update(self) -> None:
        """Raises:
        StopRun: the run can't go on; its last checkpoint is there.
        """
        if self.given_up is not None:
            raise StopRun(self.given_up)
        if self.collapse.found is not None:  # nothing is saved: the newest checkpoint may still be good
            raise StopRun(self._collapsed(self.collapse.found))
        self.stalls.progress()
        self.accounts.begin_update()
        self.divergence.begin_update()
        self.control.begin_update()

    def enter_batch(self, network: Any, sample: dict[str, Any], frames: int) -> None:
        """A batch was computed whose losses are sums over so many masked frames."""
        padded, new = sample["net_input"]["source"].size(1), int(sample["new"].sum())
        self.accounts.add(cost_of(network, sample["samples"].tolist(), padded, new), frames)

    def collect(self) -> Collected:
        """Sum this update over ranks.  Every rank must call it, once an update."""
        return self.accounts.collect(self.interruption.asked, self.waiting.take(), self.bad_audio.counts)

    def after_update(self, update: Collected) -> None:
        """Charge an update that counts, log it, and stop if that is asked for or necessary."""
        ranks = distributed.get_data_parallel_world_size()
        skipped = Cost(skipped_updates=ranks if self.divergence.bad else 0)
        self.state.charge(update.cost + skipped, ranks)
        self._log(update)
        self.bad_audio.collect(update.others, self.accounts.gather)
        self.given_up = self.bad_audio.too_many or self.divergence.too_many
        if self.given_up:  # first the checkpoint, then the error, when fairseq begins the next update
            self.control.save_after_this_update()
            self.control.skip_validation()
        if update.stop and self.state.progress < 1:
            self.control.stop_for_now()
        if self.is_master:
            self.progress.tell(self.state.progress, self.state.ledger, self.results.smoothed_loss)

    def look_for_collapse(self, numbers: Mapping[str, Any]) -> None:
        """Numbers of the update that was just charged, the same on every rank."""
        self.collapse.note(self.control.updates_done, numbers)

    def _collapsed(self, what: str) -> str:
        left = {name: max(amount - CURRENCIES[name].spent(self.state.ledger), 0) for name, amount in self.amounts.items()}
        newest = Path(self.control.root.checkpoint.save_dir, LAST).absolute()
        told = f"the newest checkpoint is `{newest}`" if newest.is_file() else "there is no checkpoint yet"
        return f"{what}.  {told}; {show_amounts(left)} of the budget are left; `task.on_collapse=ignore` goes on"

    def after_validation(self) -> None:
        """Every rank must call it, after each validation."""
        self.bad_audio.collect(self.accounts.sum(self.bad_audio.counts), self.accounts.gather)

    def before_save(self) -> None:
        """This rank is about to write a checkpoint.

        Raises:
            BudgetError: there is no room for it.
        """
        self.stalls.progress()
        self.generations.make_room()

    def after_save(self, path: Path) -> None:
        """A checkpoint was written by this rank."""
        self.kept.keep(path)
        self.stalls.progress()
        if self.control.ending:
            self.stalls.end()
        if self.interruption.asked:
            self.interruption.hand_on()

    def _after_charge(self) -> None:
        """The ledger has changed: by an update, or because a checkpoint's was taken over."""
        if self.state.progress >= 1:
            self.control.end(self.state.ledger.updates)
        if not self.control.updates_done:
            self._after_reading()
        elif self.kept.pass_by(self.state.progress):
            self.control.save_after_this_update()

    def _after_reading(self) -> None:
        self.kept.resume(self.state.progress)
        if self.origin.read and self.origin.own and self.is_master:
            self.kept.keep(self.origin.read)
        self.parent.inherit(self.state.ledger)

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

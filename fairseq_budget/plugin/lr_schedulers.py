"""fairseq's learning-rate schedules: adapters from the progress of the budget to the pure functions."""

from __future__ import annotations

from copy import copy
from typing import Any

from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler

from fairseq_budget.arithmetic import schedules
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.errors import ConfigError
from fairseq_budget.plugin.config import CooldownConfig, PolynomialConfig, TriangularConfig, TriStageConfig
from fairseq_budget.plugin.errors import user_errors
from fairseq_budget.plugin.run import state


class _ProgressScheduler(FairseqLRScheduler):
    """Sets the maximum learning rate times a factor of progress, after every charge to the ledger.

    The run's state is saved and restored here, under the key `run`: of a checkpoint's parts, the schedule's state is the one
    that fairseq hands back to every rank before the next update.
    """

    def __init__(self, cfg: Any, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        with user_errors():
            self.validate()
            self.run_state = state.running()
        self.run_state.listeners.append(self.refresh)
        self.refresh()

    def validate(self) -> None:
        """Refuse settings that don't make a schedule."""
        raise NotImplementedError

    def factor(self, progress: float) -> float:
        """The factor at a share of the budget."""
        raise NotImplementedError

    def refresh(self) -> None:
        self.optimizer.set_lr(self.cfg.lr[0] * self.factor(self.run_state.progress))

    def step_update(self, num_updates: int) -> float:
        """Called by fairseq after each update, and after it restored the optimizer with the rate of its last update."""
        self.refresh()
        return self.optimizer.get_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "run": self.run_state.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        # before 0.4.0 the parts of the run's state lay beside the schedule's own
        with user_errors():
            self.run_state.load_state_dict(state_dict.get("run", state_dict))


@register_lr_scheduler("budget_polynomial", dataclass=PolynomialConfig)
class BudgetPolynomialSchedule(_ProgressScheduler):
    """See :func:`fairseq_budget.arithmetic.schedules.polynomial`."""

    def __init__(self, cfg: Any, optimizer: Any) -> None:
        self.warmed_up: Ledger | None = None
        """What was spent at the end of a warm-up in updates; what share that is depends on the budget, which may grow."""
        super().__init__(cfg, optimizer)

    def validate(self) -> None:
        schedules.check_share("warmup_share", self.cfg.warmup_share)
        if self.cfg.warmup_updates is not None and self.cfg.warmup_updates < 1:
            raise ConfigError(f"`lr_scheduler.warmup_updates` must be at least 1, but is {self.cfg.warmup_updates}")

    def factor(self, progress: float) -> float:
        warmup = self.cfg.warmup_updates
        if warmup is None:
            return schedules.polynomial(progress, self.cfg.warmup_share, self.cfg.power)
        ledger = self.run_state.ledger
        if self.warmed_up is None and ledger.updates >= warmup:
            self.warmed_up = copy(ledger)
        warmed_up = 0.0 if self.warmed_up is None else self.run_state.budget.share(self.warmed_up)
        return schedules.polynomial_by_updates(progress, ledger.updates, warmup, warmed_up, self.cfg.power)

    def state_dict(self) -> dict[str, Any]:
        warmed_up = None if self.warmed_up is None else self.warmed_up.state_dict()
        return {**super().state_dict(), "warmed_up": warmed_up}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if (saved := state_dict.get("warmed_up")) is not None:
            self.warmed_up = Ledger()
            self.warmed_up.load_state_dict(saved)
        super().load_state_dict(state_dict)


@register_lr_scheduler("budget_triangular", dataclass=TriangularConfig)
class BudgetTriangularSchedule(_ProgressScheduler):
    """See :func:`fairseq_budget.arithmetic.schedules.triangular`."""

    def validate(self) -> None:
        if self.cfg.cycles < 1:
            raise ConfigError(f"`lr_scheduler.cycles` must be at least 1, but is {self.cfg.cycles}")
        if self.cfg.cycle_updates is not None and self.cfg.cycle_updates < 2:
            raise ConfigError(f"`lr_scheduler.cycle_updates` must be at least 2, but is {self.cfg.cycle_updates}")
        schedules.check_share("minimum", self.cfg.minimum)

    def factor(self, progress: float) -> float:
        if self.cfg.cycle_updates is not None:
            phase = self.run_state.ledger.updates / self.cfg.cycle_updates % 1
            return schedules.triangular(phase, 1, self.cfg.minimum)
        return schedules.triangular(progress, self.cfg.cycles, self.cfg.minimum)


@register_lr_scheduler("budget_tri_stage", dataclass=TriStageConfig)
class BudgetTriStageSchedule(_ProgressScheduler):
    """See :func:`fairseq_budget.arithmetic.schedules.tri_stage`."""

    def validate(self) -> None:
        schedules.check_sum({name: self.cfg[name] for name in ("warmup_share", "hold_share", "decay_share")})
        for name in ("initial", "final"):
            if not 0 < self.cfg[name] <= 1:
                raise ConfigError(f"`lr_scheduler.{name}` must be above 0 and at most 1, but is {self.cfg[name]:g}")

    def factor(self, progress: float) -> float:
        return schedules.tri_stage(progress, self.cfg.warmup_share, self.cfg.hold_share, self.cfg.initial, self.cfg.final)


@register_lr_scheduler("budget_cooldown", dataclass=CooldownConfig)
class BudgetCooldownSchedule(_ProgressScheduler):
    """See :func:`fairseq_budget.arithmetic.schedules.cooldown`."""

    def validate(self) -> None:
        shares = {name: schedules.check_share(name, self.cfg[name]) for name in ("warmup_share", "cooldown_share")}
        schedules.check_sum(shares, below=True)

    def factor(self, progress: float) -> float:
        return schedules.cooldown(progress, self.cfg.warmup_share, self.cfg.cooldown_share)

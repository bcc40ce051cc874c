"""fairseq's criterion: the objective scores itself, this only logs it."""

from __future__ import annotations

from typing import Any

import torch
from fairseq import metrics
from fairseq.criterions import FairseqCriterion, register_criterion
from fairseq.dataclass import FairseqDataclass
from torch import Tensor

from fairseq_budget.objectives.loss import UNITS, Loss


@register_criterion("budget_pretraining", dataclass=FairseqDataclass)
class BudgetPretrainingCriterion(FairseqCriterion):
    """Calls the model, whose :class:`~fairseq_budget.objectives.loss.Loss` is a sum over masked frames."""

    def __init__(self, task: Any) -> None:
        super().__init__(task)
        self.unit = UNITS[task.objective.loss_unit]

    def train(self, mode: bool = True) -> BudgetPretrainingCriterion:
        """fairseq's trainer switches to training mode at the start of every update: the task takes note."""
        if mode:
            self.task.begin_update()
        return super().train(mode)

    def forward(self, model: Any, sample: dict[str, Any], reduce: bool = True) -> tuple[Tensor, int, dict[str, Any]]:
        """Loss of a batch.  Shape: -> sum over masked frames (), number of masked frames, what is logged."""
        inputs, low = sample["net_input"], self.task.network.config.autocast == "bf16"
        # here, because fairseq's own autocast (`common.amp`) knows GPUs and float16 only
        with torch.autocast(inputs["source"].device.type, torch.bfloat16, enabled=low):
            loss: Loss = model(**inputs)
        logged = {"loss": loss.total.detach() * self.unit, "frames": loss.frames, "batches": 1}
        # fairseq's own names: what it makes `wps`, `wpb` and `bsz` of
        logged |= {"ntokens": loss.frames, "nsentences": len(sample["id"])}
        logged |= {name: term * (1 if name == "correct" else self.unit) for name, term in loss.terms.items()}
        logged |= {f"mean_{name}": value for name, value in loss.averages.items()}
        for name, (part, whole) in loss.ratios.items():
            logged |= {f"part_{name}": part, f"whole_{name}": whole}
        # a loss that is no number gets a gradient that is none, by which the task judges it; any other stays as it is
        return loss.total * (1 + 0 * loss.total.detach()), loss.frames, logged

    @classmethod
    def reduce_metrics(cls, logging_outputs: list[dict[str, Any]]) -> None:
        """Log every term for each masked frame, and plain averages over batches."""
        totals: dict[str, Any] = {}
        for output in logging_outputs:
            for name, value in output.items():
                totals[name] = totals.get(name, 0) + value
        frames, batches = max(totals.get("frames", 0), 1), max(totals.get("batches", 0), 1)
        for name, total in totals.items():
            if name == "loss" or name.startswith("loss_"):
                metrics.log_scalar(name, total / frames, frames, round=4)
            elif name == "correct":
                metrics.log_scalar("accuracy", total / frames, frames, round=4)
            elif name.startswith("part_"):
                ratio, whole = name.removeprefix("part_"), totals[name.replace("part_", "whole_", 1)]
                metrics.log_scalar(ratio, total / max(whole, 1), whole, round=4)
            elif name.startswith("mean_"):
                metrics.log_scalar(name.removeprefix("mean_"), total / batches, batches, round=2)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """Yes: ranks' outputs are added in one all-reduce."""
        return True

"""This project's models."""

from __future__ import annotations

from torch import Tensor, nn

from fairseq_budget.bench.implementation import Implementation
from fairseq_budget.bench.workload import Workload
from fairseq_budget.frontends import FRONTENDS
from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.planning.steps import Batch, inputs_of
from fairseq_budget.plugin.objectives import MODELS


class Ours(Implementation):
    """fp16 as the recipe for GPUs has it (`common.fp16`), bf16 under autocast."""

    name = "fairseq-budget"
    objectives = tuple(OBJECTIVES)
    frontends = tuple(FRONTENDS)

    @property
    def casts(self) -> bool:
        return self.workload.precision == "fp16"

    def build(self, workload: Workload) -> nn.Module:
        # with what training switches on in this process, such as its way to ask for memory
        return MODELS[workload.objective].build_model(workload.recipe.model)

    def forward(self, inputs: Batch) -> tuple[Tensor, int]:
        """Shape: -> ()"""
        source = inputs.source.to(next(self.model.parameters()).dtype) if self.casts else inputs.source
        loss = self.model(**inputs_of(self.workload.objective, Batch(source, inputs.labels)))
        return loss.total, loss.frames

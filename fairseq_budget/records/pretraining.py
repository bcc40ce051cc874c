"""The record of a pre-training run, beside its checkpoints."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from fairseq_budget.arithmetic.budget import SPENT, share_spent
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.records.base import Entries, Measured, Name, Number, Record, renamed

STOPPED_EARLY = "asked to stop before training began"
"""What the log of a run says that leaves no record for that reason."""

FEWEST_CODEWORDS = 2.0
"""A codebook's perplexity below which hardly more than one codeword is in use."""
CODEWORDS_IN_USE = "code_perplexity_"
"""Of the codewords that were chosen, by codebook."""


def _amounts(values: Any) -> Any:
    """Amounts under today's names, without those that are null."""
    values = renamed(values)
    if not isinstance(values, dict):
        return values
    return {name: amount for name, amount in values.items() if amount is not None}


class Spent(Entries):
    """The ledger, and what it comes to in every currency."""

    __pydantic_extra__: dict[str, Number]

    flops: Number
    updates: Number


class Metrics(Entries):
    """Losses in the objective's unit."""

    train_loss: Measured = None
    valid_loss: Measured = None
    """On the first validation set."""
    valid_set: str | None = None
    """Its name."""
    valid_losses: dict[str, Measured] = {}
    """On each set (`dataset.valid_subset`), by name."""
    monitored: dict[str, Measured] = {}
    """What an objective tells of itself, as averages of the newest updates: perplexities of codebooks."""


class Data(Entries):
    """What was trained on."""

    train: str | None = None
    hours: Measured = None


class PretrainingRecord(Record):
    """What was trained, what it cost, what came out, and with which software."""

    KIND: ClassVar[str] = "pretrain"

    objective: Name
    frontend: str = DEFAULT
    """What turned audio into frames; in records without it, convolutions."""
    size: str | None = None
    """A row of the size table; None for a shape of one's own."""
    percent: Measured = None
    """Parameters relative to Slim's."""
    params: Number
    budget: Annotated[dict[str, Number], BeforeValidator(_amounts), Field(min_length=1)]
    """Amounts by currency; the one reached first ends the run."""
    spent: Annotated[Spent, BeforeValidator(_amounts)]
    plan: dict[str, Number] | None = None
    """What the planner says of the run; None where it can't."""
    flops_convention: str | None = None
    metrics: Metrics = Metrics()
    loss_unit: str | None = None
    guessing_loss: Measured = None
    """The objective's own term for a model that hears nothing, but knows how frequent each label is, or of how many
    candidates it has to choose; None where that isn't known."""
    data: Data = Data()
    train_log: str | None = None
    """The log's path, from the folder of the record."""
    checkpoint: str | None = None
    seed: int | None = None
    device: str | None = None

    @property
    def amounts_spent(self) -> dict[str, float]:
        """What was spent, by name."""
        return self.spent.model_dump()

    @property
    def share(self) -> float:
        """Spent part of the budget, 0 to 1 and a little over; of several currencies the one nearest its end."""
        return share_spent(self.budget, self.amounts_spent)

    @property
    def collapsed(self) -> str | None:
        """Why its losses say nothing, if they don't: distractors that equal the target aren't counted, so that a model with
        one codeword has nothing to choose from, and a contrastive loss of 0."""
        used = [value for name, value in self.metrics.monitored.items() if name.startswith(CODEWORDS_IN_USE)]
        if not used or not all(value is not None and value < FEWEST_CODEWORDS for value in used):
            return None
        return "its loss says nothing, as hardly more than one codeword is in use (lower `optimization.lr`)"

    @property
    def finished(self) -> bool:
        """Whether the run stopped because its budget was spent."""
        return self.share >= SPENT

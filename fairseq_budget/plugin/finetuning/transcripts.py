"""The transcripts that a run is fine-tuned on, in the place that labels have in pre-training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.checkpoints.run_state import labels_of
from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.transcripts.folder import Transcripts
from fairseq_budget.errors import BudgetError


class RunTranscripts:
    """The folder's transcripts, and what the model was pre-trained by."""

    def __init__(self, folder: Path) -> None:
        """Raises:
        BudgetError: there are none, or they are damaged.
        """
        self.transcripts = Transcripts(folder)
        self.alphabet = self.transcripts.alphabet
        self.pretrained = "scratch"

    def dataset_settings(self, manifest: Manifest, split: str) -> dict[str, Any]:
        """Raises:
        BudgetError: made for other utterances, or changed since.
        """
        return {"labels": self.transcripts.numbers(split, manifest)}

    def model_settings(self) -> dict[str, Any]:
        return {"units": self.alphabet.classes}

    def guessing_loss(self, split: str) -> float | None:
        """Nobody guesses a transcript."""
        return None

    def state(self) -> dict[str, Any]:
        return {**self.alphabet.state(), "pretrained": self.pretrained}

    def entries(self, ledger: Ledger) -> dict[str, Any]:
        folder = self.transcripts
        return {"labels": {"units": folder.kind, "symbols": len(folder.symbols), "splits": folder.splits}}

    def refuse_to_continue(self, checkpoint: Path) -> None:
        """Refuse a checkpoint that was fine-tuned on other units.

        Raises:
            BudgetError: its dictionary is another one.
        """
        before = _saved(checkpoint)
        if before.get("dictionary", self.alphabet.symbols) != self.alphabet.symbols:
            raise BudgetError(
                f"`{checkpoint}` was fine-tuned on other units than those of `{self.transcripts.folder}`: name its "
                "transcripts as `task.transcripts`, or give another `hydra.run.dir`"
            )


def pretrained_by(checkpoint: Path) -> str:
    """What the model of a checkpoint of fine-tuning was pre-trained by."""
    return str(_saved(checkpoint).get("pretrained", "scratch"))


def _saved(checkpoint: Path) -> dict[str, Any]:
    """What :meth:`RunTranscripts.state` told."""
    return labels_of(safe_load(checkpoint))

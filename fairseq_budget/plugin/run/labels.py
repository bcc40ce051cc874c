"""The labels that a run is trained on: one codebook for all its splits, and for every time it is continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from fairseq_budget.arithmetic.currencies import amounts_spent, with_current_names
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.checkpoints.run_state import labels_of
from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.data.label_record import RECORD_NAME, read_label_rate, read_record
from fairseq_budget.data.labels import DICTIONARY_NAME, SPECIAL_SYMBOLS, LabelFile, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin.run.origin import Origin


class TargetSource(Protocol):
    """What audio is trained to predict, and how the parts of a run ask about it."""

    def dataset_settings(self, manifest: Manifest, split: str) -> dict[str, Any]:
        """What the dataset of a split needs of them.

        Raises:
            BudgetError: they don't belong to the manifest.
        """

    def model_settings(self) -> dict[str, Any]:
        """What the model's configuration has of them."""

    def guessing_loss(self, split: str) -> float | None:
        """Loss of a model that hears nothing; None where that isn't known."""

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""

    def entries(self, ledger: Ledger) -> dict[str, Any]:
        """For the run's record."""


class RunLabels:
    """The label files of a folder, `<split>.<ending>`.

    Raises:
        BudgetError: there is no dictionary, nothing tells the label rate, or `rate` is not the one that the record tells.
    """

    def __init__(self, folder: Path, ending: str, rate: float | None) -> None:
        self.folder, self.ending = folder, ending
        self.clusters = read_dictionary(folder / DICTIONARY_NAME)
        self.record = read_record(folder)
        self.rate = rate or read_label_rate(folder)
        if self.record is not None and self.rate != self.record.rate:
            raise BudgetError(
                f"`task.label_rate` is {self.rate:g}, but `{folder / RECORD_NAME}` tells {self.record.rate:g}: leave it out"
            )

    @property
    def classes(self) -> int:
        """Symbols of fairseq's dictionary."""
        return self.clusters + len(SPECIAL_SYMBOLS)

    def dataset_settings(self, manifest: Manifest, split: str) -> dict[str, Any]:
        """What the dataset of a split needs of them."""
        return {"labels": self.open(manifest, split), "label_rate": self.rate}

    def model_settings(self) -> dict[str, Any]:
        """What the model's configuration has of them."""
        return {"num_classes": self.classes, "label_rate": self.rate}

    def open(self, manifest: Manifest, split: str) -> LabelFile:
        """The labels of a split, checked against its manifest and the record."""
        labels = LabelFile(self.folder / f"{split}.{self.ending}", self.clusters)
        labels.check(manifest.frames, self.rate)
        if self.record is not None:
            self.record.check_split(split, labels.sha256, manifest)
        return labels

    def guessing_loss(self, split: str) -> float | None:
        """Bits of a label for who knows how frequent each is in a split; None where the record doesn't tell."""
        told = None if self.record is None else self.record.splits.get(split, {}).get("entropy_bits")
        return None if told is None else float(told)

    def state(self) -> dict[str, Any]:
        """For the checkpoint: which labels, and which rounds of training were needed to have them."""
        identity = {"codebook": None, "label_rate": self.rate, "clusters": self.clusters}
        if self.record is None:
            return identity
        return {
            **identity,
            "codebook": self.record.codebook,
            "round": self.record.round,
            "rounds": self.record.rounds,
            "labelling_flops": self.record.forward_flops,
        }

    def refuse_to_continue(self, checkpoint: Path) -> None:
        """Refuse a checkpoint that was trained on other labels; one that doesn't tell is taken.

        Raises:
            BudgetError: another codebook, label rate or number of clusters.
        """
        before = labels_of(safe_load(checkpoint))
        for name, value in self.state().items():
            known = before.get(name)
            if name in ("codebook", "label_rate", "clusters") and None not in (known, value) and known != value:
                raise BudgetError(
                    f"`{checkpoint}` was trained on other labels than those in `{self.folder}` ({_told(name, known)} there, "
                    f"{_told(name, value)} here): name its labels as `task.label_dir`, or train in another `hydra.run.dir`; "
                    "there, `checkpoint.reset_optimizer=true` begins anew from its weights"
                )

    def entries(self, ledger: Ledger) -> dict[str, Any]:
        """For the run's record: the labels, what the rounds before this one spent, and the sum with `ledger`.

        ``all_rounds`` counts training alone, as a budget does; ``labelling_flops`` are the forward passes of making labels
        (of all rounds).  It's None where a model of an earlier round doesn't tell what it spent.
        """
        state = self.state()
        rounds, labelling = state.pop("rounds", []), state.pop("labelling_flops", 0)
        if not rounds:
            return {"labels": state}
        labelling += sum(earlier["labelling_flops"] for earlier in rounds)
        return {
            "labels": state,
            "rounds": rounds,
            "all_rounds": _sum([earlier["spent"] for earlier in rounds], ledger),
            "labelling_flops": labelling,
        }


def run_labels(cfg: Any, origin: Origin, settings: Any) -> RunLabels:
    """The labels that a task's configuration names, checked against the checkpoint that is read, if there is one.

    `settings`: the section `checkpoint` of fairseq's configuration.  Who resets the optimizer of a parent begins anew from
    its weights, and may do so with other labels.
    """
    labels = RunLabels(Path(cfg.label_dir or cfg.data), cfg.labels, cfg.label_rate)
    begins_anew = settings is not None and (settings.reset_optimizer or settings.reset_lr_scheduler)
    if origin.read is not None and not begins_anew:
        labels.refuse_to_continue(origin.read)
    return labels


def _told(name: str, value: Any) -> str:
    if name == "codebook":
        return f"codebook {value[:8]}"
    return f"{value:g} Hz" if name == "label_rate" else f"{value} clusters"


def _sum(earlier: list[dict[str, float] | None], ledger: Ledger) -> dict[str, float] | None:
    own = ledger.state_dict()
    if None in earlier:
        return None
    sums = [with_current_names(spent or {}) for spent in earlier]
    total = Ledger()
    total.load_state_dict({name: own[name] + sum(spent.get(name, 0) for spent in sums) for name in own})
    return {**total.state_dict(), **amounts_spent(total)}

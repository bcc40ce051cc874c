"""fairseq's tasks: its hooks, each handed on to the run (`plugin/run/`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq.distributed import utils as distributed
from fairseq.tasks import FairseqTask

from fairseq_budget.objectives import Objective
from fairseq_budget.plugin.errors import user_errors
from fairseq_budget.plugin.run.data import open_split
from fairseq_budget.plugin.run.labels import run_labels
from fairseq_budget.plugin.run.record import RunRecord
from fairseq_budget.plugin.run.run import Run
from fairseq_budget.plugin.run.seeds import seed_batch
from fairseq_budget.plugin.run.statistics import measure_statistics
from fairseq_budget.plugin.run.waiting import WatchedEpochs

TRAINING = "training_batches"  # in what a batch logs: tells training from validation, where both are reduced


class BudgetTask(FairseqTask):
    """Pre-training on a budget; `plugin/objectives.py` registers a subclass for each objective."""

    objective: Objective

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self.root = cfg._get_root()
        self.network: Any = None
        self.record: RunRecord | None = None
        with user_errors():
            self.run = Run(cfg, self.root)
            self.labels = run_labels(cfg, self.root.get("checkpoint")) if self.objective.needs_labels else None

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> BudgetTask:
        return cls(cfg)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        if self.labels is not None:
            self.run.control.fill_in_labels(cfg, self.labels.classes, self.labels.rate)
        with user_errors():
            self.network = super().build_model(cfg, from_checkpoint)
        self.record = RunRecord(self)
        return self.network

    def load_dataset(self, split: str, combine: bool = False, task_cfg: Any = None, **kwargs: Any) -> None:
        others = {name: data.manifest for name, data in self.datasets.items() if name != split}
        with user_errors():
            self.datasets[split] = open_split(self.cfg, split, self.labels, others)
            # fairseq loads the training split last: by then a checkpoint's model is there
            if split == "train" and self.network is not None:
                measure_statistics(self.network, self.datasets[split], self.cfg.on_bad_audio == "skip")

    def get_batch_iterator(self, dataset: Any, **options: Any) -> WatchedEpochs:
        # fairseq would leave out what is longer than `dataset.max_tokens` with a warning; the dataset refuses instead
        return WatchedEpochs(super().get_batch_iterator(dataset, **{**options, "max_positions": None}), self.run.waiting)

    def max_positions(self) -> None:
        """Nothing is too long: it is cropped."""

    source_dictionary = target_dictionary = None

    def train_step(
        self, sample: Any, model: Any, criterion: Any, optimizer: Any, update_num: int, ignore_grad: bool = False
    ) -> tuple[Any, int, dict[str, Any]]:
        """Forward, backward, and what they cost."""
        seed_batch(self.cfg.seed, update_num, sample["id"].tolist())
        self.run.control.updates_done = update_num + 1
        if not ignore_grad:
            self.run.bad_audio.note("train", sample)
        stand_in = "stand_in" in sample
        loss, frames, logged = super().train_step(sample, model, criterion, optimizer, update_num, ignore_grad or stand_in)
        if stand_in:
            frames, logged = frames * 0, {name: value * 0 for name, value in logged.items()}
        elif ignore_grad:
            self.run.accounts.add_stand_in()
        else:
            self.run.enter_batch(self.network, sample, frames, first_pass=self.datasets["train"].epoch == 1)
        return loss, frames, {**logged, TRAINING: 1}

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> tuple[Any, int, dict[str, Any]]:
        """The same masks at every validation."""
        seed_batch(self.cfg.seed, 0, sample["id"].tolist())
        self.run.bad_audio.note("valid", sample)
        loss, frames, logged = super().valid_step(sample, model, criterion)
        if "stand_in" in sample:
            return loss * 0, frames * 0, {name: value * 0 for name, value in logged.items()}
        return loss, frames, logged

    def begin_update(self) -> None:
        """Called by the criterion when fairseq begins an update."""
        self.run.begin_update()

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Called by fairseq after every update that counts, and after validation: log the objective's terms."""
        if not any(TRAINING in output for output in logging_outputs):
            super().reduce_metrics(logging_outputs, criterion)
            return
        update = self.run.collect()
        # the averages' weights as numbers of the host: fairseq's meters would look at them on the device
        totals = {name: sum(output[name] for output in logging_outputs) for name in logging_outputs[0]}
        super().reduce_metrics([{**totals, "frames": update.frames, "batches": update.batches}], criterion)
        self.run.after_update(update)

    def post_validate(self, model: Any, stats: dict[str, Any], agg: Any) -> None:
        self.run.after_validation()
        if self.record is not None:
            self.record.valid_loss = float(stats["loss"])

    def post_save(self, path: str, num_updates: int) -> None:
        self.run.after_save(Path(path))

    def state_dict(self) -> dict[str, Any]:
        """At each checkpoint, whose ledger is in the schedule's state (see `lr_schedulers.py`): what was trained on what."""
        if self.record is not None and distributed.is_master(self.root.distributed_training):
            self.record.write()
        return {"objective": self.objective.name} | ({} if self.labels is None else {"labels": self.labels.state()})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: the run's state comes back with the schedule."""

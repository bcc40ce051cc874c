"""fairseq's tasks: its hooks, each handed on to the run (`plugin/run/`); those of an update are in `steps.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq.tasks import FairseqTask

from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.checkpoints import digest
from fairseq_budget.objectives import Objective
from fairseq_budget.plugin.dataset import PretrainingDataset
from fairseq_budget.plugin.errors import user_errors
from fairseq_budget.plugin.extraction import LoadedTask
from fairseq_budget.plugin.run.data import open_split
from fairseq_budget.plugin.run.epochs import Epochs
from fairseq_budget.plugin.run.labels import TargetSource, run_labels
from fairseq_budget.plugin.run.origin import refuse_another_model
from fairseq_budget.plugin.run.record import RunRecord
from fairseq_budget.plugin.run.run import Run
from fairseq_budget.plugin.run.statistics import measure_statistics
from fairseq_budget.plugin.run.waiting import WatchedEpochs
from fairseq_budget.plugin.steps import Steps
from fairseq_budget.records.pretraining import PretrainingRecord


class BudgetTask(Steps, FairseqTask):
    """Training on a budget; `plugin/objectives.py` registers a subclass for each objective."""

    objective: Objective
    dataset_kind: type[PretrainingDataset] = PretrainingDataset
    record_kind: type[PretrainingRecord] = PretrainingRecord

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self.root = cfg._get_root()
        self.network: Any = None
        with user_errors():
            self.run = Run(cfg, self.root)
            self.labels = self.open_labels(cfg) if self.objective.needs_labels else None

    def open_labels(self, cfg: Any) -> TargetSource:
        """What is predicted; raises BudgetError where it isn't there, or isn't that of the checkpoint."""
        return run_labels(cfg, self.run.origin, self.root.get("checkpoint"))

    @classmethod
    def setup_task(cls, cfg: Any, from_checkpoint: bool = False, **kwargs: Any) -> FairseqTask:
        return LoadedTask(cfg) if from_checkpoint else cls(cfg)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        with user_errors():
            self.prepare(cfg)
            self.run.control.check_overlap(cfg)
            self.network = super().build_model(cfg, from_checkpoint)
            self.begin_weights(cfg)
            refuse_another_model(self.network, self.run.origin)
            self.run.generations.foresee(count_parameters(self.network.model_shape), self.cfg.checkpoints)
        self.record = RunRecord(self)
        return self.network

    def prepare(self, cfg: Any) -> None:
        """Fill in what the model's configuration `cfg` has from elsewhere."""
        if self.labels is not None:
            self.run.control.fill_in(cfg, **self.labels.model_settings())

    def begin_weights(self, cfg: Any) -> None:
        """Give the model that was built its first weights, where they aren't those that it was built with."""

    def record_entries(self) -> dict[str, Any]:
        """What the record of such a run has besides."""
        return {}

    def load_dataset(self, split: str, combine: bool = False, task_cfg: Any = None, **kwargs: Any) -> None:
        others = {name: data.manifest for name, data in self.datasets.items() if name != split}
        training = split == self.root.dataset.train_subset
        with user_errors():
            self.datasets[split] = open_split(self.cfg, split, self.labels, others, training, self.dataset_kind)
            self.run.corpus.note(split, self.datasets[split].manifest)
            # fairseq loads the training split last: by then a checkpoint's model is there
            if training and self.network is not None:
                measure_statistics(self.network, self.datasets[split], self.cfg.on_bad_audio == "skip")
        if training and self.record is not None and self.run.already_spent:
            self.record.catch_up()

    def get_batch_iterator(self, dataset: Any, **options: Any) -> WatchedEpochs:
        # fairseq would leave out what is longer than `dataset.max_tokens` with a warning; the dataset refuses instead
        epochs = super().get_batch_iterator(dataset, **{**options, "max_positions": None})
        if not isinstance(epochs, Epochs):
            epochs = Epochs.like(epochs)
            if dataset in self.dataset_to_epoch_iter:  # fairseq asks for it again
                self.dataset_to_epoch_iter[dataset] = epochs
        return WatchedEpochs(epochs, self.run.waiting)

    def max_positions(self) -> None:
        """Nothing is too long: it is cropped."""

    source_dictionary = target_dictionary = None

    def begin_valid_epoch(self, epoch: int, model: Any) -> None:
        self.run.results.begin()

    def post_validate(self, model: Any, stats: dict[str, Any], agg: Any) -> None:
        self.run.after_validation()
        self.run.results.enter(float(stats["loss"]), self.run.control.updates_done)

    def post_save(self, path: str, num_updates: int) -> None:
        """The record is written when the checkpoint is there: it is never ahead of it."""
        if self.record is not None:
            self.record.write()
        self.run.after_save(Path(path))

    def state_dict(self) -> dict[str, Any]:
        """At each checkpoint, whose ledger is in the schedule's state (see `lr_schedulers.py`): what was trained on what."""
        told = {"objective": self.objective.name} | ({} if self.labels is None else {"labels": self.labels.state()})
        if not self.run.is_master:
            return told
        with user_errors():
            self.run.before_save()
        return told | {digest.KEY: digest.tensor_digest(self.network.state_dict())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: the run's state comes back with the schedule."""

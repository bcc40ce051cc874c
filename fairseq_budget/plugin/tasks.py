"""fairseq's tasks: they keep the ledger, end the run when the budget is spent, and hand fairseq the data."""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from typing import Any

import torch
from fairseq import metrics, utils
from fairseq.distributed import utils as distributed
from fairseq.tasks import FairseqTask, register_task
from omegaconf import open_dict

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.units import hours_from_samples
from fairseq_budget.data.check.cheap import cheap_checks
from fairseq_budget.data.labels import SPECIAL_SYMBOLS
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import MODEL_PREFIX, OBJECTIVES, Objective, get_objective
from fairseq_budget.plugin import clock
from fairseq_budget.plugin.accounting import Accounts, cost_of
from fairseq_budget.plugin.audio_source import check_files, re_cut
from fairseq_budget.plugin.bad_audio import MAX_SHARE, BadAudio, BadAudioError
from fairseq_budget.plugin.checkpoints import KeptCheckpoints
from fairseq_budget.plugin.config import LabelledConfig, PretrainingConfig
from fairseq_budget.plugin.dataset import PretrainingDataset
from fairseq_budget.plugin.errors import user_errors
from fairseq_budget.plugin.interruption import Interruption
from fairseq_budget.plugin.labels import RunLabels, restored_checkpoint
from fairseq_budget.plugin.loading import Waiting, WatchedEpochs
from fairseq_budget.plugin.record import RunRecord

logger = logging.getLogger(__name__)

TRAINING = "training_batches"
"""In what a batch logs: tells training from validation, where both are reduced."""


class BudgetTask(FairseqTask):
    """Pre-training on a budget.

    Overrides of fairseq's: `train_step` also seeds the batch and notes what it costs; `reduce_metrics`, which fairseq calls
    after every update that counts, sums over workers, charges the ledger and logs it; `state_dict` adds the ledger for
    readers of the checkpoint.  The run ends through fairseq's own `optimization.max_update`, which is set when the budget is
    spent or a signal asks for it.
    """

    objective: str

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        with user_errors():
            self.clock = clock.start(Budget({name: cfg.budget[name] for name in cfg.budget if name != "_name"}))
        self.clock.listeners += [self._stop_when_spent, self._save_on_the_clock]
        self.loss_unit = get_objective(self.objective).loss_unit
        self.root = cfg._get_root()
        self.updates_done = 0
        self.kept = KeptCheckpoints(cfg.checkpoints)
        self.accounts = Accounts()
        self.waiting = Waiting()
        self.interruption = Interruption()
        self.save_interval: int | None = None
        self.given_up: str | None = None
        self.record: RunRecord | None = None
        with user_errors():
            self.bad_audio = self.clock.companions["bad_audio"] = BadAudio(cfg.on_bad_audio)
            self._check_device()

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> BudgetTask:
        return cls(cfg)

    def _check_device(self) -> None:
        common = self.root.get("common")
        if common is not None and not common.cpu and not torch.cuda.is_available():
            raise BudgetError("the recipe asks for a GPU, but torch sees none here: add `device=cpu` to train on the CPU")

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        with user_errors():
            model = super().build_model(cfg, from_checkpoint)
        self.network = model
        self.record = RunRecord(self, model)
        return model

    # data

    def load_dataset(self, split: str, combine: bool = False, task_cfg: Any = None, **kwargs: Any) -> None:
        """Read `<data>/<split>.tsv`; refuse what would fail later."""
        with user_errors():
            manifest = Manifest.read(Path(self.cfg.data) / f"{split}.tsv")
            check_files(manifest, 0.0 if self.bad_audio.mode == "error" else MAX_SHARE)
            others = {name: data.manifest for name, data in self.datasets.items() if name != split}
            for warning in cheap_checks(split, manifest, others):
                logger.warning(warning)
            utterances, labels = manifest, self.labels_of(manifest, split)
            if split == "train" and self.cfg.segment_seconds is not None:
                utterances, labels = re_cut(manifest, labels, self.cfg)
            self.datasets[split] = PretrainingDataset(
                utterances,
                self.cfg.max_sample_size,
                self.cfg.min_sample_size,
                self.cfg.normalize,
                self.cfg.seed,
                batching=self.cfg.batching,
                padding=self.cfg.padding,
                **labels,
            )
        kept = len(self.datasets[split].kept)
        logger.info("%s: %d utterances of %d are long enough, %.2f h", split, kept, len(utterances), utterances.hours)

    def labels_of(self, manifest: Manifest, split: str) -> dict[str, Any]:
        """Labels for the dataset; none unless the objective needs them."""
        return {}

    def get_batch_iterator(self, dataset: PretrainingDataset, **options: Any) -> WatchedEpochs:
        """fairseq's, with a stopwatch.

        fairseq would leave out what is longer than `dataset.max_tokens` with no more than a warning, and train on the rest:
        the dataset refuses instead.
        """
        return WatchedEpochs(super().get_batch_iterator(dataset, **{**options, "max_positions": None}), self.waiting)

    def max_positions(self) -> None:
        """Nothing is too long: it is cropped."""
        return None

    @property
    def source_dictionary(self) -> None:
        return None

    @property
    def target_dictionary(self) -> None:
        return None

    # the budget

    def train_step(
        self,
        sample: dict[str, Any],
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[Any, int, dict[str, Any]]:
        """Forward, backward, and what they cost."""
        self._seed(sample, update_num)
        self.updates_done = update_num + 1
        if not ignore_grad:
            self.bad_audio.note("train", sample)
        stand_in = "stand_in" in sample
        loss, frames, logged = super().train_step(sample, model, criterion, optimizer, update_num, ignore_grad or stand_in)
        if stand_in:
            frames, logged = frames * 0, {name: value * 0 for name, value in logged.items()}
        elif ignore_grad:
            self.accounts.add_stand_in()
        else:
            padded, first_pass = sample["net_input"]["source"].size(1), self.datasets["train"].epoch == 1
            self.accounts.add(cost_of(self.network, sample["samples"].tolist(), padded, first_pass), frames)
        return loss, frames, {**logged, TRAINING: 1}

    def begin_update(self) -> None:
        """Called by the criterion when fairseq begins an update.  Raises BadAudioError if too much of the audio was."""
        if self.given_up is not None:
            raise BadAudioError(self.given_up)
        self.accounts.begin_update()
        if self.save_interval is not None:
            self.root.checkpoint.save_interval_updates, self.save_interval = self.save_interval, None

    def valid_step(self, sample: dict[str, Any], model: Any, criterion: Any) -> tuple[Any, int, dict[str, Any]]:
        """The same masks at every validation."""
        self._seed(sample, 0)
        self.bad_audio.note("valid", sample)
        loss, frames, logged = super().valid_step(sample, model, criterion)
        if "stand_in" in sample:
            return loss * 0, frames * 0, {name: value * 0 for name, value in logged.items()}
        return loss, frames, logged

    def _seed(self, sample: dict[str, Any], update_num: int) -> None:
        """Masks, distractors and dropout depend on the update and the batch, not on the worker that has it."""
        utils.set_torch_seed(zlib.crc32(f"{self.cfg.seed} {update_num} {sample['id'].tolist()}".encode()))

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Log the objective's terms; in training also charge the ledger and log it."""
        if not any(TRAINING in output for output in logging_outputs):
            super().reduce_metrics(logging_outputs, criterion)
            return
        update = self.accounts.collect(self.interruption.asked, self.waiting.take(), self.bad_audio.counts)
        # the averages' weights as numbers of the host: fairseq's meters would look at them on the device
        totals = {name: sum(output[name] for output in logging_outputs) for name in logging_outputs[0]}
        super().reduce_metrics([{**totals, "frames": update.frames, "batches": update.batches}], criterion)
        self.clock.charge(update.cost, distributed.get_data_parallel_world_size())
        self._log_ledger()
        self.bad_audio.collect(update.others, self.accounts.gather)
        if self.bad_audio.too_many:  # first the checkpoint, then the error, when fairseq begins the next update
            self._save_after_this_update()
            self.root.dataset.disable_validation = True
            self.given_up = self.bad_audio.too_many
        seconds = update.cost.machine_seconds
        metrics.log_scalar("data_wait", update.waited / max(seconds, 1e-9), weight=seconds, round=4)
        if update.stop and self.clock.progress < 1:
            self._stop_for_now()

    def _log_ledger(self) -> None:
        ledger = self.clock.ledger
        for name, value in (
            ("flops", ledger.flops),
            ("hardware_flops", ledger.hardware_flops),
            ("budget_share", self.clock.progress),
            ("hours_heard", ledger.spent("hours_heard")),
            ("unique_hours", hours_from_samples(ledger.unique_samples)),
            ("machine_hours", ledger.spent("machine_hours")),
            ("updates_skipped", ledger.skipped_updates),
        ):
            metrics.log_scalar(name, value, weight=0, priority=50)

    def _stop_when_spent(self) -> None:
        """End the run at this update boundary: fairseq validates, saves and stops when it reaches `max_update`.

        A run that is started again after its end would still do one update before fairseq looks; a lowest learning rate
        above every other one keeps it from starting.
        """
        optimization = self.root.get("optimization")
        if self.clock.progress < 1 or optimization is None:
            return
        if self.updates_done:
            logger.info("the budget is spent after %d updates", self.clock.ledger.updates)
            optimization.max_update = self.updates_done
        else:
            logger.info("the budget was spent before: nothing is left to do")
            optimization.stop_min_lr = float("inf")

    def _stop_for_now(self) -> None:
        """End the run at this update boundary with a checkpoint, but without the time that a validation takes."""
        self.root.optimization.max_update = self.updates_done
        self.root.dataset.disable_validation = True

    def _save_on_the_clock(self) -> None:
        """Let fairseq validate and save after the update that passed a share of the budget: it does both where the number
        of updates is a multiple of `save_interval_updates`, which therefore is that number until the next update."""
        if self.kept.pass_by(self.clock.progress) and self.updates_done:
            self._save_after_this_update()

    def _save_after_this_update(self) -> None:
        if self.save_interval is None:
            checkpoint = self.root.checkpoint
            self.save_interval, checkpoint.save_interval_updates = checkpoint.save_interval_updates, self.updates_done

    def post_save(self, path: str, num_updates: int) -> None:
        """fairseq's hook after a checkpoint was written, on the worker that wrote it."""
        self.kept.keep(Path(path))
        if self.interruption.asked:
            self.interruption.hand_on()

    # what a checkpoint and a record hold

    def state_dict(self) -> dict[str, Any]:
        """Called at each checkpoint: the ledger, for readers of the file (fairseq restores it with the schedule)."""
        if self.record is not None and distributed.is_master(self.root.distributed_training):
            self.record.write()
        return {"objective": self.objective, "ledger": self.clock.ledger.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The ledger comes back with the learning-rate schedule."""

    def record_entries(self) -> dict[str, Any]:
        """What the run's record has besides the common entries."""
        return {}

    def post_validate(self, model: Any, stats: dict[str, Any], agg: Any) -> None:
        """fairseq's hook after a validation: the record shows the newest loss, and what of the audio was skipped."""
        self.bad_audio.collect(self.accounts.sum(self.bad_audio.counts), self.accounts.gather)
        if self.record is not None:
            self.record.valid_loss = float(stats["loss"])


class LabelledTask(BudgetTask):
    """Audio with k-means labels."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        with user_errors():
            self.labels = RunLabels(Path(cfg.label_dir or cfg.data), cfg.labels, cfg.label_rate)
            if (checkpoint := restored_checkpoint(self.root.get("checkpoint"))) is not None:
                self.labels.refuse_to_continue(checkpoint)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """The size of the dictionary and the label rate belong to the labels; they're written into the model's config."""
        with open_dict(cfg):
            cfg.num_classes = self.labels.clusters + len(SPECIAL_SYMBOLS)
            cfg.label_rate = self.labels.rate
        return super().build_model(cfg, from_checkpoint)

    def labels_of(self, manifest: Manifest, split: str) -> dict[str, Any]:
        return {"labels": self.labels.open(manifest, split), "label_rate": self.labels.rate}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "labels": self.labels.state()}

    def record_entries(self) -> dict[str, Any]:
        return self.labels.entries(self.clock.ledger)


def _register(objective: Objective) -> type[BudgetTask]:
    """Register the task of an objective as ``budget_<name>_pretraining``."""
    base, config = (LabelledTask, LabelledConfig) if objective.needs_labels else (BudgetTask, PretrainingConfig)
    kind = type(f"{objective.title}Task", (base,), {"objective": objective.name, "__doc__": base.__doc__})
    return register_task(f"{MODEL_PREFIX}{objective.name}_pretraining", dataclass=config)(kind)


TASKS: dict[str, type[BudgetTask]] = {name: _register(objective) for name, objective in OBJECTIVES.items()}
"""The registered task of each objective."""

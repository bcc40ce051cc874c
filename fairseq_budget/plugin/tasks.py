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
from fairseq_budget.data.label_record import read_label_rate
from fairseq_budget.data.labels import DICTIONARY_NAME, LabelFile, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.objectives import MODELS
from fairseq_budget.plugin import clock
from fairseq_budget.plugin.accounting import Accounts, cost_of
from fairseq_budget.plugin.checkpoints import KeptCheckpoints
from fairseq_budget.plugin.config import HubertPretrainingConfig, PretrainingConfig
from fairseq_budget.plugin.dataset import SPECIAL_SYMBOLS, PretrainingDataset
from fairseq_budget.plugin.errors import user_errors
from fairseq_budget.plugin.interruption import Interruption
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
        self.loss_unit = MODELS[self.objective].loss_unit
        self.root = cfg._get_root()
        self.updates_done = 0
        self.kept = KeptCheckpoints(cfg.checkpoints)
        self.accounts = Accounts()
        self.interruption = Interruption()
        self.save_interval: int | None = None
        self.record: RunRecord | None = None
        with user_errors():
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
            check_files(manifest, split)
            self.datasets[split] = PretrainingDataset(
                manifest,
                self.cfg.max_sample_size,
                self.cfg.min_sample_size,
                self.cfg.normalize,
                self.cfg.seed,
                **self.labels_of(manifest, split),
            )
        kept = len(self.datasets[split].kept)
        logger.info("%s: %d utterances of %d are long enough, %.2f h", split, kept, len(manifest), manifest.hours)

    def labels_of(self, manifest: Manifest, split: str) -> dict[str, Any]:
        """Labels for the dataset; none unless the objective needs them."""
        return {}

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
        loss, frames, logged = super().train_step(sample, model, criterion, optimizer, update_num, ignore_grad)
        if ignore_grad:
            self.accounts.add_stand_in()
        else:
            padded, first_pass = sample["net_input"]["source"].size(1), self.datasets["train"].epoch == 1
            self.accounts.add(cost_of(self.network, sample["samples"].tolist(), padded, first_pass), frames)
        return loss, frames, {**logged, TRAINING: 1}

    def begin_update(self) -> None:
        """Called by the criterion when fairseq begins an update."""
        self.accounts.begin_update()
        if self.save_interval is not None:
            self.root.checkpoint.save_interval_updates, self.save_interval = self.save_interval, None

    def valid_step(self, sample: dict[str, Any], model: Any, criterion: Any) -> tuple[Any, int, dict[str, Any]]:
        """The same masks at every validation."""
        self._seed(sample, 0)
        return super().valid_step(sample, model, criterion)

    def _seed(self, sample: dict[str, Any], update_num: int) -> None:
        """Masks, distractors and dropout depend on the update and the batch, not on the worker that has it."""
        utils.set_torch_seed(zlib.crc32(f"{self.cfg.seed} {update_num} {sample['id'].tolist()}".encode()))

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Log the objective's terms; in training also charge the ledger and log it."""
        if not any(TRAINING in output for output in logging_outputs):
            super().reduce_metrics(logging_outputs, criterion)
            return
        update = self.accounts.collect(self.interruption.asked)
        # the averages' weights as numbers of the host: fairseq's meters would look at them on the device
        totals = {name: sum(output[name] for output in logging_outputs) for name in logging_outputs[0]}
        super().reduce_metrics([{**totals, "frames": update.frames, "batches": update.batches}], criterion)
        self.clock.charge(update.cost, distributed.get_data_parallel_world_size())
        self._log_ledger()
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

    def post_validate(self, model: Any, stats: dict[str, Any], agg: Any) -> None:
        """fairseq's hook after a validation: the record shows the newest loss."""
        if self.record is not None:
            self.record.valid_loss = float(stats["loss"])


def check_files(manifest: Manifest, split: str) -> None:
    """Refuse a manifest that names a file which isn't there, before hours are spent."""
    for index in range(len(manifest)):
        if not manifest.audio_path(index).is_file():
            raise BudgetError(
                f"{split}.tsv, line {index + 2}: no file {manifest.audio_path(index)}; "
                "mend the path, or make the manifest again with `fairseq-budget manifest`"
            )


@register_task("budget_hubert_pretraining", dataclass=HubertPretrainingConfig)
class BudgetHubertTask(BudgetTask):
    """Audio with k-means labels."""

    objective = "hubert"

    @property
    def label_dir(self) -> Path:
        return Path(self.cfg.label_dir or self.cfg.data)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """The size of the dictionary and the label rate belong to the labels; they're written into the model's config."""
        with user_errors(), open_dict(cfg):
            cfg.num_classes = read_dictionary(self.label_dir / DICTIONARY_NAME) + SPECIAL_SYMBOLS
            cfg.label_rate = self.label_rate
        return super().build_model(cfg, from_checkpoint)

    @property
    def label_rate(self) -> float:
        return self.cfg.label_rate or read_label_rate(self.label_dir)

    def labels_of(self, manifest: Manifest, split: str) -> dict[str, Any]:
        path = self.label_dir / f"{split}.{self.cfg.labels}"
        labels = LabelFile(path, read_dictionary(self.label_dir / DICTIONARY_NAME))
        labels.check(manifest.frames.tolist(), self.label_rate)
        return {"labels": labels, "label_rate": self.label_rate}


@register_task("budget_wav2vec2_pretraining", dataclass=PretrainingConfig)
class BudgetWav2Vec2Task(BudgetTask):
    """Audio alone."""

    objective = "wav2vec2"


@register_task("budget_tera_pretraining", dataclass=PretrainingConfig)
class BudgetTeraTask(BudgetTask):
    """Audio alone: TERA's targets are computed from it."""

    objective = "tera"

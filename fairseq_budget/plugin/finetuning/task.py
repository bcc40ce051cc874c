"""fairseq's task of CTC fine-tuning: a training on a budget that begins from a pre-trained checkpoint's encoder."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from fairseq.tasks import register_task

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.checkpoints.pretrained import Pretrained, load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends.config import SpeechConfig
from fairseq_budget.objectives import FINE_TUNING
from fairseq_budget.plugin.finetuning.config import FinetuningConfig
from fairseq_budget.plugin.finetuning.dataset import FinetuningDataset
from fairseq_budget.plugin.finetuning.transcripts import RunTranscripts, pretrained_by
from fairseq_budget.plugin.run.origin import find_file
from fairseq_budget.plugin.tasks import BudgetTask
from fairseq_budget.records.finetuning import FinetuningRecord

logger = logging.getLogger(__name__)

WAY = "model.checkpoint"
OF_TRAINING = frozenset(
    {
        *("dropout", "attention_dropout", "activation_dropout", "dropout_input", "dropout_features", "encoder_layerdrop"),
        *("feature_grad_mult", "mask_prob", "mask_length", "logit_temp", "checkpoint_activations", "autocast", "init_seed"),
        *("attention_init", "compile"),
    }
)
"""Settings that fine-tuning has its own values of; all others are the pre-trained model's."""
OF_THE_MODEL = frozenset(field.name for kind in (ModelConfig, SpeechConfig) for field in fields(kind)) - OF_TRAINING


@register_task("budget_ctc_finetuning", dataclass=FinetuningConfig)
class FinetuningTask(BudgetTask):
    """The recipe names a checkpoint, whose shape and front end the model then has; without one it trains from scratch."""

    objective = FINE_TUNING["ctc"]
    dataset_kind = FinetuningDataset
    record_kind = FinetuningRecord
    labels: RunTranscripts

    def open_labels(self, cfg: Any) -> RunTranscripts:
        labels = RunTranscripts(Path(cfg.transcripts or cfg.data))
        if self.run.origin.read is not None:
            labels.refuse_to_continue(self.run.origin.read)
        return labels

    def prepare(self, cfg: Any) -> None:
        """The shape is that of the run's own checkpoint, of the one that it begins from, or the recipe's."""
        super().prepare(cfg)
        self.pretrained: Pretrained | None = None
        if not cfg.checkpoint:
            return
        if self.run.origin.read is None:
            path = find_file(WAY, cfg.checkpoint)
            known = self.pretrained = self._open(path)
            self.run.parent.adopt(path, WAY)
            self.labels.pretrained = known.objective
        else:  # it holds all that is needed, even if the other one is gone
            known = load_pretrained(self.run.origin.read)
            self.labels.pretrained = pretrained_by(self.run.origin.read)
            with suppress(BudgetError):
                self.run.parent.compare_with(find_file(WAY, cfg.checkpoint))
        settings = {name: value for name, value in vars(known.config).items() if name in OF_THE_MODEL}
        self.run.control.fill_in(cfg, **settings)
        self.run.control.fill_in(self.cfg, normalize=known.normalize)

    def _open(self, path: Path) -> Pretrained:
        known = load_pretrained(path)
        if known.objective == self.objective.name:
            raise BudgetError(f"`{WAY}`: `{path}` is fine-tuned already; name a pre-trained one, or go on in its own folder")
        return known

    def begin_weights(self, cfg: Any) -> None:
        """Those of the pre-trained encoder; a run that goes on has fairseq read its own."""
        if self.pretrained is None:
            return
        expected = self.network.state_dict()
        known = {name: value for name, value in self.pretrained.model.state_dict().items() if name in expected}
        left = sorted(expected.keys() - known.keys())
        self.network.load_state_dict(known, strict=False)
        logger.info("%s: the encoder of `%s`; new: %s", self.pretrained.objective, cfg.checkpoint, ", ".join(left))

    def record_entries(self) -> dict[str, Any]:
        return {"pretrained": self.labels.pretrained}

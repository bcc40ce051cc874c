"""Stock fairseq: its own models and criterions, with the published settings.

Letters: B utterances, S samples, F frames, M masked frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import torch
import torch.nn.functional as F
from fairseq.criterions.hubert_criterion import HubertCriterion
from fairseq.criterions.wav2vec_criterion import Wav2vecCriterion
from fairseq.data import Dictionary
from fairseq.models.hubert.hubert import HubertConfig, HubertModel
from fairseq.models.wav2vec.wav2vec2 import Wav2Vec2Config, Wav2Vec2Model
from fairseq.tasks.hubert_pretraining import HubertPretrainingConfig
from torch import Tensor, nn

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.bench.implementation import Implementation
from fairseq_budget.bench.workload import Workload
from fairseq_budget.data.labels import SPECIAL_SYMBOLS
from fairseq_budget.modules.log_mel import stack_pairs
from fairseq_budget.modules.mfcc import KaldiMFCC
from fairseq_budget.objectives import get_objective, model_config
from fairseq_budget.objectives.loss import FEATURES_PENALTY
from fairseq_budget.objectives.tera.defaults import TeraConfig
from fairseq_budget.objectives.wav2vec2 import defaults as own_wav2vec2
from fairseq_budget.planning.steps import Batch


class Stock(Implementation):
    """HuBERT and wav2vec 2.0 are fairseq's; TERA, which fairseq doesn't have, is :class:`StockTera`.

    In half precision it casts: its HuBERT fails under autocast (the type of the mask's embedding).
    """

    name = "fairseq"
    objectives = ("hubert", "wav2vec2", "tera")

    @property
    def casts(self) -> bool:
        return self.workload.precision != "fp32"

    def build(self, workload: Workload) -> nn.Module:
        # no criterion asks its task for anything
        self.criterion, model = _BUILDERS[workload.objective](workload.model)
        return model

    def prepare(self, batch: Batch) -> dict[str, Any]:
        """The samples that fairseq's data sets give; HuBERT's also say what is padding, here nothing."""
        # an audio's samples are cast with the model
        source = batch.source.to(next(self.model.parameters()).dtype) if self.casts else batch.source
        sample: dict[str, Any] = {"id": torch.arange(len(source)), "net_input": {"source": source}}
        if get_objective(self.workload.objective).needs_labels:
            sample["net_input"]["padding_mask"] = torch.zeros_like(source, dtype=torch.bool)
            sample["target_list"] = [batch.labels]
        return sample

    def forward(self, inputs: dict[str, Any]) -> tuple[Tensor, int]:
        """Shape: -> ()"""
        loss, frames, _ = self.criterion(self.model, inputs)
        return loss, frames


class StockTera(nn.Module):
    """TERA on fairseq's HuBERT encoder, as Liu et al. 2024 built theirs, its targets computed utterance by utterance."""

    def __init__(self, config: TeraConfig) -> None:
        super().__init__()
        self.hubert = stock_hubert(model_config("hubert", asdict(config)))
        # of HuBERT's head nothing is used, and nothing of it may be counted
        del self.hubert.label_embs_concat
        self.hubert.final_proj = nn.Linear(config.encoder_embed_dim, config.target_dim)
        self.mfcc = KaldiMFCC()

    def forward(self, source: Tensor) -> tuple[Tensor, int]:
        """Shape: source (B, S) -> loss summed over masked frames (), their number."""
        features = self.hubert.forward_features(source)
        penalty = features.float().pow(2).mean()
        x = self.hubert.layer_norm(features.transpose(1, 2))
        if self.hubert.post_extract_proj is not None:
            x = self.hubert.post_extract_proj(x)
        padding = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        x, mask = self.hubert.apply_mask(self.hubert.dropout_input(x), padding, None)
        x, _ = self.hubert.encoder(x, padding_mask=padding)
        # (B, F, ...) -> (M, ...)
        predicted = self.hubert.final_proj(x[mask]).float()
        target = torch.stack([self.target(row, x.size(1)) for row in source])[mask]
        frames = len(predicted)
        return F.l1_loss(predicted, target, reduction="sum") / target.size(-1) + FEATURES_PENALTY * penalty * frames, frames

    def target(self, wave: Tensor, frames: int) -> Tensor:
        """Of one utterance; the last one is repeated where frames are missing.  Shape: wave (S,) -> (F, 78)."""
        target = stack_pairs(self.mfcc.mfcc39(wave[None]))[0]
        missing = max(frames - len(target), 0)
        return torch.cat([target, target[-1:].expand(missing, -1)])[:frames]


def stock_hubert(config: Any) -> HubertModel:
    """fairseq's model with the settings of our HubertConfig.

    `skip_nomask` stays false, as published: unmasked frames are scored, too, with weight 0.
    """
    dictionary = Dictionary()
    for cluster in range(config.num_classes - len(SPECIAL_SYMBOLS)):
        dictionary.add_symbol(str(cluster))
    settings = _settings(HubertConfig, config, untie_final_proj=True)
    return HubertModel(settings, HubertPretrainingConfig(label_rate=config.label_rate), [dictionary])


def _settings(kind: type, config: ModelConfig, **others: Any) -> Any:
    """fairseq's configuration with the values of ours; the fields have its names."""
    names = {field.name for field in fields(kind)}
    shared = {name: value for name, value in asdict(config).items() if name in names}
    return kind(**shared, **others)


def _hubert(config: ModelConfig) -> tuple[Any, nn.Module]:
    return HubertCriterion(None, 1.0, 0.0, loss_weights=[FEATURES_PENALTY]), stock_hubert(config)


def _wav2vec2(config: own_wav2vec2.Wav2Vec2Config) -> tuple[Any, nn.Module]:
    criterion = Wav2vecCriterion(None, infonce=True, loss_weights=[config.diversity_weight, FEATURES_PENALTY])
    return criterion, Wav2Vec2Model(_settings(Wav2Vec2Config, config, quantize_targets=True))


def _tera(config: TeraConfig) -> tuple[Any, nn.Module]:
    return _own_loss, StockTera(config)


def _own_loss(model: nn.Module, sample: dict[str, Any]) -> tuple[Tensor, int, dict[str, Any]]:
    """In the place of a criterion, for a model that scores itself.  Shape: -> loss (), frames, nothing to log"""
    return *model(sample["net_input"]["source"]), {}


_BUILDERS: dict[str, Callable[[Any], tuple[Any, nn.Module]]] = {"hubert": _hubert, "wav2vec2": _wav2vec2, "tera": _tera}
"""Criterion and model of each objective."""

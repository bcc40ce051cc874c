"""Hugging Face's transformers: Wav2Vec2ForPreTraining, and HubertModel with a cross-entropy head, at the same shape.

Letters: B utterances, F frames, M masked frames, K clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2ForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.bench.implementation import Implementation, MaskedBatch
from fairseq_budget.bench.workload import Workload
from fairseq_budget.checkpoints.huggingface import architecture
from fairseq_budget.frontends.conv.cost import as_convolutions
from fairseq_budget.objectives.hubert.defaults import HubertConfig as OurHubertConfig
from fairseq_budget.objectives.wav2vec2.defaults import Wav2Vec2Config as OurWav2Vec2Config
from fairseq_budget.planning.steps import Batch


@dataclass(frozen=True)
class Inputs(MaskedBatch):
    """Shape: negatives (B, F, N) int64 or None."""

    negatives: Tensor | None


class HuggingFace(Implementation):
    """Attention through scaled_dot_product_attention, half precision under autocast.

    Masks and negatives are drawn before the step, as the collator of its pre-training example draws them; neither model has
    the penalty on the convolutional features.
    """

    name = "transformers"
    objectives = ("hubert", "wav2vec2")

    def build(self, workload: Workload) -> nn.Module:
        return _BUILDERS[workload.objective](workload.model)

    def prepare(self, batch: Batch) -> Inputs:
        config = self.workload.model
        shape = batch.labels.size(0), batch.labels.size(1)
        mask = _compute_mask_indices(shape, config.mask_prob, config.mask_length, min_masks=2)
        negatives = None
        if hasattr(config, "num_negatives"):
            negatives = _sample_negative_indices(shape, config.num_negatives, mask)
            negatives = torch.from_numpy(negatives).long().to(self.device)
        return Inputs(batch, torch.from_numpy(mask).to(self.device), int(mask.sum()), negatives)

    def forward(self, inputs: Inputs) -> tuple[Tensor, int]:
        """Shape: -> ()"""
        source = inputs.batch.source
        if inputs.negatives is None:
            return self.model(source, inputs.batch.labels, inputs.mask), inputs.masked
        out = self.model(source, mask_time_indices=inputs.mask, sampled_negative_indices=inputs.negatives)
        return out.loss, inputs.masked


class HubertWithHead(nn.Module):
    """HubertModel, which comes without an objective, and two linear layers that score the clusters of masked frames."""

    def __init__(self, config: OurHubertConfig) -> None:
        super().__init__()
        settings = HubertConfig(**_settings(config))
        self.hubert = HubertModel._from_config(settings, attn_implementation="sdpa")
        self.head = nn.Sequential(
            nn.Linear(config.encoder_embed_dim, config.final_dim), nn.Linear(config.final_dim, config.num_classes)
        )

    def forward(self, source: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Shape: source (B, S), labels and mask (B, F) -> loss summed over masked frames ()."""
        hidden = self.hubert(source, mask_time_indices=mask).last_hidden_state
        return F.cross_entropy(self.head(hidden[mask]).float(), labels[mask], reduction="sum")


def _wav2vec2(config: OurWav2Vec2Config) -> nn.Module:
    settings = Wav2Vec2Config(
        **_settings(config),
        num_codevector_groups=config.latent_groups,
        num_codevectors_per_group=config.latent_vars,
        codevector_dim=config.latent_dim or config.final_dim,
        proj_codevector_dim=config.final_dim,
        num_negatives=config.num_negatives,
        feat_quantizer_dropout=config.dropout_features,
        contrastive_logits_temperature=config.logit_temp,
    )
    return Wav2Vec2ForPreTraining._from_config(settings, attn_implementation="sdpa")


def _settings(config: ModelConfig) -> dict[str, Any]:
    """What both configurations have in common."""
    masking = {"mask_time_prob": config.mask_prob, "mask_time_length": config.mask_length}
    return architecture(config, as_convolutions(config.shape().frontend)) | masking


_BUILDERS: dict[str, Callable[[Any], nn.Module]] = {"hubert": HubertWithHead, "wav2vec2": _wav2vec2}
"""The model of each objective."""

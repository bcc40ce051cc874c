"""minimal-hubert's HuBERTPretrain (Poli, PyPI, built on Meta's SpidR) at the same shape; it needs Python 3.12 or newer."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from fairseq.data.data_utils import compute_mask_indices
from torch import Tensor, nn

from fairseq_budget.bench.implementation import Implementation, MaskedBatch
from fairseq_budget.bench.torch_audio import import_torchaudio
from fairseq_budget.bench.workload import Workload
from fairseq_budget.frontends.conv.cost import ConvCost, as_convolutions
from fairseq_budget.objectives.hubert.defaults import HubertConfig
from fairseq_budget.planning.steps import Batch

import_torchaudio()  # minimal_hubert imports it

from minimal_hubert import model as theirs  # noqa: E402


class MinimalHubert(Implementation):
    """Half precision under autocast, as its trainer does; masks are drawn before the step, as its collator does.

    Its trainer compiles the model; here ``model.compile=true`` does, as for this project.
    """

    name = "minimal_hubert"
    objectives = ("hubert",)

    def build(self, workload: Workload) -> nn.Module:
        config: Any = workload.model  # HuBERT's
        own = as_convolutions(workload.shape.frontend)
        # it knows three sizes by name, all of them with the same convolutions
        size = patch.object(theirs.HuBERTConfig, "from_size", return_value=_settings(config, own))
        convolutions = patch.object(theirs, "DEFAULT_CONV_LAYER_CONFIG", own.layers)
        with size, convolutions:
            model = theirs.HuBERTPretrain(config.num_classes)
        if config.compile:
            model.compile(dynamic=True)
        return model

    def prepare(self, batch: Batch) -> MaskedBatch:
        config = self.workload.model
        mask = compute_mask_indices(tuple(batch.labels.shape), None, config.mask_prob, config.mask_length, min_masks=2)
        return MaskedBatch(batch, torch.from_numpy(mask).to(self.device), int(mask.sum()))

    def forward(self, inputs: MaskedBatch) -> tuple[Tensor, int]:
        """Shape: -> ()"""
        losses, _ = self.model(inputs.batch.source, inputs.batch.labels, mask=inputs.mask, attention_mask=None)
        return losses.sum(), inputs.masked


def _settings(config: HubertConfig, convolutions: ConvCost) -> theirs.HuBERTConfig:
    return theirs.HuBERTConfig(
        size="base",
        extractor_mode="layer_norm" if convolutions.layer_norm else "group_norm",
        encoder_embed_dim=config.encoder_embed_dim,
        encoder_num_layers=config.encoder_layers,
        encoder_num_heads=config.encoder_attention_heads,
        encoder_ff_interm_features=config.encoder_ffn_embed_dim,
        encoder_layer_norm_first=config.layer_norm_first,
        final_dim=config.final_dim,
        encoder_projection_dropout=config.dropout_input,
        encoder_attention_dropout=config.attention_dropout,
        encoder_ff_interm_dropout=config.activation_dropout,
        encoder_dropout=config.dropout,
        encoder_layer_drop=config.encoder_layerdrop,
    )

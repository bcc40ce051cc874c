"""torchaudio's hubert_pretrain_model at the same shape.

Letters: B utterances, S samples, F frames.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.bench.implementation import Implementation
from fairseq_budget.bench.workload import Workload
from fairseq_budget.frontends.conv.cost import as_convolutions
from fairseq_budget.objectives.loss import FEATURES_PENALTY
from fairseq_budget.planning.steps import Batch


class TorchAudio(Implementation):
    """With the loss of its HuBERT example: masked frames only, unmasked ones are scored, too, with weight 0.

    Half precision under autocast.
    """

    name = "torchaudio"
    objectives = ("hubert",)

    def build(self, workload: Workload) -> nn.Module:
        config: Any = workload.model  # HuBERT's
        convolutions = as_convolutions(workload.shape.frontend)
        return import_torchaudio().models.hubert_pretrain_model(
            extractor_mode="layer_norm" if convolutions.layer_norm else "group_norm",
            extractor_conv_layer_config=list(convolutions.layers),
            extractor_conv_bias=False,
            encoder_embed_dim=config.encoder_embed_dim,
            encoder_projection_dropout=config.dropout_input,
            encoder_pos_conv_kernel=config.conv_pos,
            encoder_pos_conv_groups=config.conv_pos_groups,
            encoder_num_layers=config.encoder_layers,
            encoder_num_heads=config.encoder_attention_heads,
            encoder_attention_dropout=config.attention_dropout,
            encoder_ff_interm_features=config.encoder_ffn_embed_dim,
            encoder_ff_interm_dropout=config.activation_dropout,
            encoder_dropout=config.dropout,
            encoder_layer_norm_first=config.layer_norm_first,
            encoder_layer_drop=config.encoder_layerdrop,
            mask_prob=config.mask_prob,
            mask_selection="static",
            mask_other=0.0,
            mask_length=config.mask_length,
            no_mask_overlap=False,
            mask_min_space=1,
            mask_channel_prob=0.0,
            mask_channel_selection="static",
            mask_channel_other=0.0,
            mask_channel_length=10,
            no_mask_channel_overlap=False,
            mask_channel_min_space=1,
            skip_masked=False,
            skip_nomask=False,
            num_classes=config.num_classes,
            final_dim=config.final_dim,
            feature_grad_mult=config.feature_grad_mult if config.feature_grad_mult < 1 else None,
        )

    def forward(self, inputs: Batch) -> tuple[Tensor, int]:
        """Shape: -> ()"""
        masked, _, penalty = self.model(inputs.source, inputs.labels)
        frames = len(masked)
        # the first logit is that of the frame's own cluster
        loss = F.cross_entropy(masked.float(), inputs.labels.new_zeros(frames), reduction="sum")
        return loss + FEATURES_PENALTY * penalty * frames, frames


def import_torchaudio() -> ModuleType:
    """torchaudio, beside a CPU-only torch without its compiled part.

    PyPI's wheel is built for CUDA: that part asks for libc10_cuda.so.  torchaudio goes on without it where its file isn't
    there, and the models need none of it; so it is told that the file isn't there.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        sys.modules["torchaudio._extension.utils"]._load_lib = lambda name: False  # type: ignore[attr-defined]
        return importlib.import_module("torchaudio")

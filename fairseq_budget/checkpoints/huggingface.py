"""To Hugging Face's transformers: a folder for ``HubertModel`` or ``Wav2Vec2ForPreTraining``, and all that begin from them.

wav2vec 2.0 comes with its quantizer and projections; of HuBERT the encoder alone, for transformers has no head for it.

Letters: B utterances, S samples, F frames, D model width.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    HubertConfig,
    HubertModel,
    PretrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
)

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.checkpoints.export import check_features, read_source
from fairseq_budget.checkpoints.pretrained import Pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends.conv.cost import ConvCost, as_convolutions
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives.wav2vec2.defaults import Wav2Vec2Config as OurWav2Vec2Config

CLASSES: dict[str, tuple[type[PretrainedConfig], type[PreTrainedModel]]] = {
    "hubert": (HubertConfig, HubertModel),
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2ForPreTraining),
}

_NAMES = (
    (r"(feature_extractor\.conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"(feature_extractor\.conv_layers\.\d+)\.2\.(1\.)?", r"\1.layer_norm."),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"encoder\.pos_conv\.0\.weight_g$", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"encoder\.pos_conv\.0\.weight_v$", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"\.self_attn\.", ".attention."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)
"""From fairseq's names of parameters to those of transformers' models, the first that fits each."""

_ENCODER = ("feature_extractor.", "layer_norm.", "post_extract_proj.", "mask_emb", "encoder.")
"""How the names of an encoder's parameters begin; the others are the objective's head."""

_HEAD = {
    "quantizer.vars": "quantizer.codevectors",
    "quantizer.weight_proj.weight": "quantizer.weight_proj.weight",
    "quantizer.weight_proj.bias": "quantizer.weight_proj.bias",
    "project_q.weight": "project_q.weight",
    "project_q.bias": "project_q.bias",
    "final_proj.weight": "project_hid.weight",
    "final_proj.bias": "project_hid.bias",
}
"""From fairseq's names of wav2vec 2.0's head to those of transformers' model."""


def export(checkpoint: Path, out: Path, texts: Mapping[str, str] | None = None) -> float:
    """Write a checkpoint to the folder `out`; returns the largest difference of features (see `difference`).

    The folder has ``config.json``, ``model.safetensors`` and ``preprocessor_config.json``, and `texts` by the names of their
    files; it appears whole or not at all.

    Raises:
        BudgetError: what cannot be exported (see `read_source`), and features that should not come out equal.
    """
    pretrained = read_source(checkpoint, out)
    model = convert(pretrained)
    found = difference(pretrained.model, model)
    check_features(found, out)
    partial = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        partial.mkdir(parents=True)
        model.save_pretrained(partial)
        preprocessor(pretrained).save_pretrained(partial)
        for name, text in (texts or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        partial.rename(out)
    except OSError as error:
        raise BudgetError(f"`{out}` cannot be written ({error.strerror}): choose another place") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def convert(pretrained: Pretrained) -> PreTrainedModel:
    """The same model as one of transformers, in eval mode."""
    config, ours = pretrained.config, pretrained.model.state_dict()
    config_class, model_class = CLASSES[pretrained.objective]
    settings = architecture(config, as_convolutions(pretrained.model.model_shape.frontend))
    weights = {_name(name): value for name, value in ours.items() if name.startswith(_ENCODER)}
    if pretrained.model.post_extract_proj is None:  # transformers always has a projection
        width = config.encoder_embed_dim
        weights["feature_projection.projection.weight"] = torch.eye(width)
        weights["feature_projection.projection.bias"] = torch.zeros(width)
    if isinstance(config, OurWav2Vec2Config):
        settings |= head(config)
        weights = {f"wav2vec2.{name}": value for name, value in weights.items()}
        weights |= {theirs: ours[name] for name, theirs in _HEAD.items()}
    model = model_class(config_class(**settings))
    model.load_state_dict(weights, strict=True)
    return model.eval()


def head(config: OurWav2Vec2Config) -> dict[str, Any]:
    """wav2vec 2.0's head in the names of transformers' configuration; it has no penalty on features."""
    return {
        "num_codevectors_per_group": config.latent_vars,
        "num_codevector_groups": config.latent_groups,
        "codevector_dim": config.latent_dim or config.final_dim,
        "proj_codevector_dim": config.final_dim,
        "contrastive_logits_temperature": config.logit_temp,
        "num_negatives": config.num_negatives,
        "diversity_loss_weight": config.diversity_weight,
        "feat_quantizer_dropout": config.dropout_features,
    }


def preprocessor(pretrained: Pretrained) -> Wav2Vec2FeatureExtractor:
    """What prepares waves for the model: normalised or not as in training.

    Its attention mask is always wanted: padded frames are kept out of attention here, too.  It normalises with 1e-7 added to
    the variance, where fairseq (and so our training) adds 1e-5: features of ordinary speech differ by some 1e-4 of the
    largest for it.  Feed ``torch.nn.functional.layer_norm(wave, wave.shape)`` to get them equal.
    """
    return Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=SAMPLE_RATE, do_normalize=pretrained.normalize, return_attention_mask=True
    )


@torch.no_grad()
def difference(ours: SpeechEncoder, theirs: PreTrainedModel, source: Tensor | None = None) -> float:
    """The largest difference of any hidden state, over the largest value of that state.

    Shape: source (1, S), one utterance; seeded noise of one second if None.
    """
    if source is None:
        source = 0.1 * torch.randn(1, SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    states = ours.extract(source)[0]
    answer = theirs.base_model(source, output_hidden_states=True)
    pairs = [*zip(states, answer.hidden_states, strict=True), (states[-1], answer.last_hidden_state)]
    return max(float((mine - other).abs().max() / mine.abs().max()) for mine, other in pairs)


def _name(name: str) -> str:
    """A parameter's name in transformers; the first rule for its part counts, and others have no part to change."""
    for pattern, replacement in _NAMES:
        name, changes = re.subn(pattern, replacement, name)
        if changes:
            return name
    return name


def architecture(config: ModelConfig, convolutions: ConvCost) -> dict[str, Any]:
    """Shape and regularisation in the names of transformers' configurations; masking is left at their values."""
    channels, kernels, strides = zip(*convolutions.layers, strict=True)
    return {
        "hidden_size": config.encoder_embed_dim,
        "num_hidden_layers": config.encoder_layers,
        "num_attention_heads": config.encoder_attention_heads,
        "intermediate_size": config.encoder_ffn_embed_dim,
        "hidden_act": {"gelu": "gelu", "gelu_accurate": "gelu_new"}[config.activation_fn],
        "hidden_dropout": config.dropout,
        "activation_dropout": config.activation_dropout,
        "attention_dropout": config.attention_dropout,
        "feat_proj_dropout": config.dropout_input,
        "layerdrop": config.encoder_layerdrop,
        "feat_extract_norm": "layer" if convolutions.layer_norm else "group",
        "do_stable_layer_norm": config.layer_norm_first,
        "conv_dim": channels,
        "conv_kernel": kernels,
        "conv_stride": strides,
        "num_feat_extract_layers": len(convolutions.layers),
        "num_conv_pos_embeddings": config.conv_pos,
        "num_conv_pos_embedding_groups": config.conv_pos_groups,
    }

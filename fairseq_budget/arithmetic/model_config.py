"""The configuration of a model: stock fairseq's field names, the published values as defaults."""

import ast
from dataclasses import dataclass, field, fields
from typing import Any

from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import OBJECTIVES
from fairseq_budget.errors import ConfigError

_PUBLISHED_CONVOLUTIONS = "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass
class ModelConfig:
    """Shape and regularisation of an encoder with its objective.

    Field names and meanings are fairseq's (HubertConfig, Wav2Vec2Config), so that a checkpoint's configuration is read by
    either side.  Sources: Liu et al. 2024 (A), Hsu et al. 2021 (HuBERT), Baevski et al. 2020 (wav2vec 2.0).
    """

    extractor_mode: str = _setting("default", "`default`: group norm after the first convolution; `layer_norm`: after all")
    conv_feature_layers: str = _setting(_PUBLISHED_CONVOLUTIONS, "convolutions as a list of (channels, kernel, stride)")
    encoder_layers: int = _setting(12, "Transformer layers")
    encoder_embed_dim: int = _setting(384, "width of the Transformer")
    encoder_ffn_embed_dim: int = _setting(768, "width of the feed-forward layers")
    encoder_attention_heads: int = _setting(8, "attention heads")
    final_dim: int = _setting(256, "width in which predictions and targets are compared")
    layer_norm_first: bool = _setting(False, "layer norm before each block (HuBERT Large) instead of after it")
    conv_pos: int = _setting(128, "kernel of the positional convolution, in frames")
    conv_pos_groups: int = _setting(16, "groups of the positional convolution")
    dropout: float = _setting(0.1, "dropout after attention and feed-forward (A)")
    attention_dropout: float = _setting(0.1, "dropout on attention weights (A)")
    activation_dropout: float = _setting(0.0, "dropout inside the feed-forward; 0 in the released configurations")
    dropout_input: float = _setting(0.1, "dropout on the encoder's input (A)")
    dropout_features: float = _setting(0.1, "dropout on wav2vec 2.0's unquantised targets (A)")
    encoder_layerdrop: float = _setting(0.05, "probability of skipping a layer in training (A)")
    feature_grad_mult: float = _setting(0.1, "scale of the gradient that reaches the convolutions (A)")
    mask_prob: float = _setting(0.8, "masked spans x span / frames (A: 0.80; wav2vec 2.0: 0.65)")
    mask_length: int = _setting(10, "frames in a masked span (A)")
    logit_temp: float = _setting(0.1, "temperature of the cosine similarities")
    num_classes: int = _setting(504, "HuBERT: symbols of the dictionary with fairseq's four special ones; set by the task")
    label_rate: float = _setting(50.0, "HuBERT: labels per second; the task sets it")
    latent_vars: int = _setting(320, "wav2vec 2.0: entries of a codebook")
    latent_groups: int = _setting(2, "wav2vec 2.0: codebooks")
    latent_dim: int = _setting(0, "wav2vec 2.0: width of a quantised target; 0 means final_dim")
    latent_temp: tuple[float, float, float] = _setting((2.0, 0.5, 0.999995), "Gumbel temperature: first, last, decay")
    num_negatives: int = _setting(100, "wav2vec 2.0: distractors, drawn from the same utterance")
    checkpoint_activations: bool = _setting(False, "run the Transformer's layers again in the backward pass: less memory")
    autocast: str = _setting("none", "`bf16`: matrix products in bf16, parameters and optimizer in fp32; `none`")
    compile: bool = _setting(False, "compile the Transformer's layers with torch.compile; needs a C++ compiler")
    target_dim: int = _setting(78, "TERA: values of a target frame, two stacked frames of 39 MFCC values")

    def shape(self, objective: str) -> ModelShape:
        """What parameters and FLOPs are counted from."""
        return ModelShape(
            objective,
            self.encoder_layers,
            self.encoder_embed_dim,
            self.encoder_ffn_embed_dim,
            self.encoder_attention_heads,
            self.final_dim,
            conv_layers=parse_convolutions(self.conv_feature_layers),
            layer_norm_extractor=self.extractor_mode == "layer_norm",
            pos_kernel=self.conv_pos,
            pos_groups=self.conv_pos_groups,
            classes=self.num_classes,
            codebooks=self.latent_groups,
            entries=self.latent_vars,
            latent_dim=self.latent_dim,
            negatives=self.num_negatives,
            target_dim=self.target_dim,
            mask_prob=self.mask_prob,
            mask_length=self.mask_length,
        )


def model_config(settings: Any) -> ModelConfig:
    """A :class:`ModelConfig` from any mapping or object with such fields (a fairseq config, a checkpoint's dictionary)."""
    get = settings.get if hasattr(settings, "get") else lambda name, default: getattr(settings, name, default)
    config = ModelConfig(**{f.name: _typed(f.default, get(f.name, f.default)) for f in fields(ModelConfig)})
    validate(config)
    return config


def _typed(default: Any, value: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(float(v) for v in (ast.literal_eval(value) if isinstance(value, str) else value))
    return type(default)(value)


def validate(config: ModelConfig) -> None:
    """Refuse settings that no model can have; every problem is named at once."""
    problems = []
    if config.encoder_embed_dim % config.encoder_attention_heads:
        problems.append(
            f"`model.encoder_attention_heads` must divide `model.encoder_embed_dim` = {config.encoder_embed_dim}, "
            f"but is {config.encoder_attention_heads}"
        )
    if config.encoder_embed_dim % config.conv_pos_groups:
        problems.append(
            f"`model.conv_pos_groups` must divide `model.encoder_embed_dim` = {config.encoder_embed_dim}, "
            f"but is {config.conv_pos_groups}"
        )
    if config.extractor_mode not in ("default", "layer_norm"):
        problems.append(f"`model.extractor_mode` must be `default` or `layer_norm`, but is `{config.extractor_mode}`")
    if config.autocast not in ("none", "bf16"):
        problems.append(f"`model.autocast` must be `none` or `bf16`, but is `{config.autocast}`")
    for name in ("dropout", "attention_dropout", "dropout_input", "dropout_features", "encoder_layerdrop", "mask_prob"):
        if not 0 <= getattr(config, name) <= 1:
            problems.append(f"`model.{name}` must lie between 0 and 1, but is {getattr(config, name)}")
    if problems:
        raise ConfigError("; ".join(problems))


def parse_convolutions(text: str) -> tuple[tuple[int, int, int], ...]:
    """Read fairseq's notation, such as ``[(512,10,5)] + [(512,3,2)] * 4``, without evaluating it as code."""
    try:
        layers = tuple(_expression(ast.parse(text, mode="eval").body))
    except (SyntaxError, ValueError, TypeError):
        layers = ()
    if not layers or not all(len(layer) == 3 for layer in layers):
        raise ConfigError(f"`model.conv_feature_layers` must be a list of (channels, kernel, stride), but is `{text}`")
    return layers


def _expression(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _expression(node.left) + _expression(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _expression(node.left) * _expression(node.right)
    return ast.literal_eval(node)


def check_model_objective(name: str) -> str:
    """The objective that a registered model or a stock fairseq model stands for."""
    known = {f"budget_{objective}": objective for objective in OBJECTIVES} | {"hubert": "hubert", "wav2vec2": "wav2vec2"}
    if name not in known:
        raise ConfigError(f"no model called `{name}` is known here: expected one of {', '.join(known)}")
    return known[name]

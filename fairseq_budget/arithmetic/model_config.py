"""The configuration that models of every objective have: stock fairseq's field names, the published values as defaults."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from fairseq_budget.arithmetic.frontend import FrontendCost
from fairseq_budget.arithmetic.head import Head
from fairseq_budget.arithmetic.literal import read_literal
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.errors import ConfigError

WIDEST = 2**16
"""Of a layer, a kernel or a codebook: whole numbers without limits of their own are from 1 to this."""

CHOICES = {"autocast": ("none", "bf16"), "activation_fn": ("gelu", "gelu_accurate"), "attention_init": ("bert", "xavier")}
"""Of settings that are words."""


def setting(default: Any, help: str, limits: tuple[int, int] | None = None) -> Any:
    """A field with its help text, which gives unit and source, and the least and the largest value that it may have."""
    return field(default=default, metadata={"help": help, "limits": limits})


@dataclass
class ModelConfig:
    """Shape and regularisation of an encoder; an objective subclasses it and adds its own settings.

    Field names and meanings are fairseq's (HubertConfig, Wav2Vec2Config), so that a checkpoint's configuration is read by
    either side.  Sources: Liu et al. 2024 (A), Hsu et al. 2021 (HuBERT), Baevski et al. 2020 (wav2vec 2.0).
    """

    objective: ClassVar[str]

    encoder_layers: int = setting(12, "Transformer layers", (1, 1_000))
    encoder_embed_dim: int = setting(384, "width of the Transformer")
    encoder_ffn_embed_dim: int = setting(768, "width of the feed-forward layers")
    encoder_attention_heads: int = setting(8, "attention heads")
    final_dim: int = setting(256, "width in which predictions and targets are compared")
    layer_norm_first: bool = setting(False, "layer norm before each block (HuBERT Large) instead of after it")
    activation_fn: str = setting("gelu", "of the feed-forward layers: `gelu`, or its tanh approximation `gelu_accurate` (C)")
    attention_init: str = setting("bert", "first weights of attention: `bert` (fairseq: normal, 0.02) or `xavier` (C)")
    conv_pos: int = setting(128, "kernel of the positional convolution, in frames")
    conv_pos_groups: int = setting(16, "groups of the positional convolution")
    dropout: float = setting(0.1, "dropout after attention and feed-forward (A)")
    attention_dropout: float = setting(0.1, "dropout on attention weights (A)")
    activation_dropout: float = setting(0.0, "dropout inside the feed-forward; 0 in the released configurations")
    dropout_input: float = setting(0.1, "dropout on the encoder's input (A)")
    dropout_features: float = setting(0.1, "dropout on wav2vec 2.0's unquantised targets (A)")
    encoder_layerdrop: float = setting(0.05, "probability of skipping a layer in training (A)")
    feature_grad_mult: float = setting(0.1, "scale of the gradient that reaches the front end (A)")
    mask_prob: float = setting(0.8, "masked spans x span / frames (A: 0.80; wav2vec 2.0: 0.65)")
    mask_length: int = setting(10, "frames in a masked span (A)")
    logit_temp: float = setting(0.1, "temperature of the cosine similarities")
    checkpoint_activations: bool = setting(False, "run the Transformer's layers again in the backward pass: less memory")
    autocast: str = setting("none", "`bf16`: matrix products in bf16, parameters and optimizer in fp32; `none`")
    init_seed: int = setting(
        -1,
        "seed of the first weights, apart from that of the data; -1: the run's (C: the same weights for all)",
        (-1, 2**32 - 1),
    )
    compile: bool = setting(False, "compile the Transformer's layers with torch.compile; needs a C++ compiler")

    def head(self) -> Head:
        """What the objective adds, for counting it."""
        raise NotImplementedError

    def frontend_cost(self) -> FrontendCost:
        """The front end that the encoder reads, for counting it (:mod:`fairseq_budget.frontends.config`)."""
        raise NotImplementedError

    def phases(self) -> list[tuple[int | None, ModelShape]]:
        """What a run trains in turn: updates, and the shape with what is frozen in them; None: all that are left."""
        return [(None, self.shape())]

    def guessing_loss(self) -> float | None:
        """The objective's own term for a model that hears nothing, in its unit; None where only the data can tell."""
        return None

    def problems(self) -> list[str]:
        """What is wrong with settings beside the encoder's: those of the front end and of the objective."""
        return []

    def shape(self) -> ModelShape:
        """What parameters and FLOPs are counted from."""
        return ModelShape(
            self.objective,
            self.head(),
            self.frontend_cost(),
            self.encoder_layers,
            self.encoder_embed_dim,
            self.encoder_ffn_embed_dim,
            self.encoder_attention_heads,
            self.final_dim,
            pos_kernel=self.conv_pos,
            pos_groups=self.conv_pos_groups,
            mask_prob=self.mask_prob,
            mask_length=self.mask_length,
        )


Config = TypeVar("Config", bound=ModelConfig)


def read_config(kind: type[Config], settings: Any) -> Config:
    """A configuration of that kind, from any mapping or object with such fields.

    Raises:
        ConfigError: values that no model can have.
    """
    get = settings.get if hasattr(settings, "get") else lambda name, default: getattr(settings, name, default)
    config = kind(**{f.name: _typed(f.name, f.default, get(f.name, f.default)) for f in fields(kind)})
    validate(config)
    return config


def _typed(name: str, default: Any, value: Any) -> Any:
    """A value of the default's type; nothing is made of a value of another one."""
    if isinstance(default, tuple):
        numbers = _list(value) if isinstance(value, str) else value
        if isinstance(numbers, Sequence) and len(numbers) == len(default):  # fairseq's is omegaconf's
            return tuple(_typed(name, 0.0, number) for number in numbers)
        rule = f"{len(default)} numbers"
    elif isinstance(default, bool):
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        rule = "true or false"
    elif isinstance(default, str):
        if isinstance(value, str):
            return str(value)
        rule = "a text"
    else:
        rule = "a whole number" if isinstance(default, int) else "a number"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and math.isfinite(value) and abs(value) < 2**63 and value == type(default)(value):
            return type(default)(value)
    raise ConfigError(f"`model.{name}` must be {rule}, but is `{str(value)[:80]}`")


def _list(text: str) -> Any:
    try:
        return read_literal(text)
    except ConfigError:
        return None


def validate(config: ModelConfig) -> None:
    """Refuse settings that no model can have; every problem is named at once."""
    if problems := _beyond_limits(config):  # the other rules divide by some of these
        raise ConfigError("; ".join(problems))
    problems = config.problems()
    for name in ("encoder_attention_heads", "conv_pos_groups"):
        if config.encoder_embed_dim % getattr(config, name):
            problems.append(
                f"`model.{name}` must divide `model.encoder_embed_dim` = {config.encoder_embed_dim}, "
                f"but is {getattr(config, name)}"
            )
    for name, choices in CHOICES.items():
        if (value := getattr(config, name)) not in choices:
            problems.append(f"`model.{name}` must be {' or '.join(f'`{choice}`' for choice in choices)}, but is `{value}`")
    for name in ("dropout", "attention_dropout", "dropout_input", "dropout_features", "encoder_layerdrop", "mask_prob"):
        if not 0 <= getattr(config, name) <= 1:
            problems.append(f"`model.{name}` must lie between 0 and 1, but is {getattr(config, name)}")
    if problems:
        raise ConfigError("; ".join(problems))


def _beyond_limits(config: ModelConfig) -> list[str]:
    problems = []
    for known in fields(config):
        value = getattr(config, known.name)
        least, most = known.metadata["limits"] or (1, WIDEST)
        if isinstance(value, int) and not isinstance(value, bool) and not least <= value <= most:
            problems.append(f"`model.{known.name}` must be from {least} to {most:,}, but is {value:,}")
    return problems

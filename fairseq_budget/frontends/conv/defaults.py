"""Settings of the convolutional encoder, by stock fairseq's names: the published values."""

from dataclasses import dataclass
from typing import Any

from fairseq_budget.arithmetic.literal import read_literal
from fairseq_budget.arithmetic.model_config import WIDEST, setting
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends.conv.cost import ConvCost
from fairseq_budget.frontends.frontend import Frontend, FrontendSettings

_PUBLISHED = "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"
LONGEST_FRAME = 160_000
"""Samples (10 s) that one frame may see, at most."""


@dataclass
class ConvSettings(FrontendSettings):
    """Baevski et al. 2020, section 2."""

    extractor_mode: str = setting("default", "`default`: group norm after the first convolution; `layer_norm`: after all")
    conv_feature_layers: str = setting(_PUBLISHED, "convolutions as a list of (channels, kernel, stride)")

    def cost(self) -> ConvCost:
        return ConvCost(parse_convolutions(self.conv_feature_layers), self.extractor_mode == "layer_norm")

    def problems(self) -> list[str]:
        found = []
        if self.extractor_mode not in ("default", "layer_norm"):
            found.append(f"`model.extractor_mode` must be `default` or `layer_norm`, but is `{self.extractor_mode}`")
        if (reach := self.cost().shortest_crop) > LONGEST_FRAME:
            found.append(f"`model.conv_feature_layers`: a frame may see {LONGEST_FRAME:,} samples, but sees {reach:,}")
        return found


def parse_convolutions(text: str) -> tuple[tuple[int, int, int], ...]:
    """Read fairseq's notation, such as ``[(512,10,5)] + [(512,3,2)] * 4``, without evaluating it as code.

    Raises:
        ConfigError: anything else.
    """
    try:
        layers = read_literal(text)
    except ConfigError:
        layers = None
    if not isinstance(layers, list | tuple) or not layers or not all(_is_convolution(layer) for layer in layers):
        raise ConfigError(
            f"`model.conv_feature_layers` must be a list of (channels, kernel, stride), whole numbers from 1 to {WIDEST:,}, "
            f"but is `{text[:80]}`"
        )
    return tuple(tuple(layer) for layer in layers)


def _is_convolution(layer: Any) -> bool:
    return (
        isinstance(layer, list | tuple)
        and len(layer) == 3
        and all(isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= WIDEST for number in layer)
    )


FRONTEND = Frontend(name="conv", title="convolutions", settings=ConvSettings)

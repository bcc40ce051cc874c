"""Settings of the convolutional encoder, by stock fairseq's names: the published values."""

import ast
from dataclasses import dataclass
from typing import Any

from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends.conv.cost import ConvCost
from fairseq_budget.frontends.frontend import Frontend, FrontendSettings

_PUBLISHED = "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"


@dataclass
class ConvSettings(FrontendSettings):
    """Baevski et al. 2020, section 2."""

    extractor_mode: str = setting("default", "`default`: group norm after the first convolution; `layer_norm`: after all")
    conv_feature_layers: str = setting(_PUBLISHED, "convolutions as a list of (channels, kernel, stride)")

    def cost(self) -> ConvCost:
        return ConvCost(parse_convolutions(self.conv_feature_layers), self.extractor_mode == "layer_norm")

    def problems(self) -> list[str]:
        if self.extractor_mode in ("default", "layer_norm"):
            return []
        return [f"`model.extractor_mode` must be `default` or `layer_norm`, but is `{self.extractor_mode}`"]


def parse_convolutions(text: str) -> tuple[tuple[int, int, int], ...]:
    """Read fairseq's notation, such as ``[(512,10,5)] + [(512,3,2)] * 4``, without evaluating it as code.

    Raises:
        ConfigError: anything else.
    """
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


FRONTEND = Frontend(name="conv", title="convolutions", settings=ConvSettings)

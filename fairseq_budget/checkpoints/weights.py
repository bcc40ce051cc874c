"""Weights out of a checkpoint and the model that its configuration describes, compared before the model is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.parameters import count_parameters

LAYER = "encoder.layers."


def numbers_of(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights, all of them tensors of real numbers, or of true and false, that are in the file.

    Raises:
        ValueError: something else is among them.
    """
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or type(value) not in (Tensor, nn.Parameter):
            raise ValueError(f"`model` has `{str(name)[:80]}`, which is no tensor")
        if value.layout is not torch.strided or value.is_meta or value.is_complex() or value.is_quantized:
            raise ValueError(f"`{name}` isn't made of real numbers")
    stored = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in weights.values()}
    if sum(value.numel() * value.element_size() for value in weights.values()) > 2 * sum(stored.values()):
        raise ValueError("its weights are larger than what is stored of them")
    return dict(weights)


def compare(config: ModelConfig, weights: Mapping[str, Tensor]) -> None:
    """Refuse a configuration that describes more than there is: nothing larger than the weights is built.

    Raises:
        ValueError: another number of layers, or more parameters.
    """
    layers = {name.removeprefix(LAYER).partition(".")[0] for name in weights if name.startswith(LAYER)}
    if len(layers) != config.encoder_layers:
        raise ValueError(f"its configuration describes {config.encoder_layers} layers, but it has weights of {len(layers)}")
    described, stored = count_parameters(config.shape()), sum(value.numel() for value in weights.values())
    if described > stored:
        raise ValueError(f"its configuration describes {described:,} parameters, but it has {stored:,}")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy the weights into a model, in single precision: fairseq writes half-precision weights after fp16 training.

    Raises:
        ValueError: names or shapes differ.
    """
    if different := differences(model, weights):
        raise ValueError(f"the weights don't fit the model that its configuration describes ({different})")
    model.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in weights.items()})


def differences(model: nn.Module, weights: Mapping[str, Tensor]) -> str | None:
    """How weights differ from a model's in names and shapes, in words; None where they don't."""
    expected = {name: _kind(value) for name, value in model.state_dict().items()}
    found = {name: _kind(value) for name, value in weights.items()}
    if expected == found:
        return None
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    changed = [f"{name} {found[name]}" for name in expected if found.get(name, expected[name]) != expected[name]]
    return f"missing: {missing[:3]}, unexpected: {unexpected[:3]}, of another shape: {changed[:3]}"


def _kind(value: Tensor) -> tuple[tuple[int, ...], str]:
    """What two tensors must have in common: their shape, and their type where that isn't a floating-point number's."""
    return tuple(value.shape), "float" if value.is_floating_point() else str(value.dtype)

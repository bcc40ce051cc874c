"""Every setting explains itself, and fairseq's own parser understands each."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import fields

import pytest
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import MODEL_DATACLASS_REGISTRY

from fairseq_budget.plugin import config
from fairseq_budget.plugin.objectives import MODELS

DATACLASSES = (
    *(MODEL_DATACLASS_REGISTRY[f"budget_{objective}"] for objective in MODELS),
    config.BudgetConfig,
    config.PretrainingConfig,
    config.LabelledConfig,
    config.PolynomialConfig,
    config.TriangularConfig,
    config.TriStageConfig,
    config.CooldownConfig,
)
INHERITED = {"_name", "seed", "lr"}
"""Fairseq's own fields, and what is interpolated from its configuration."""


@pytest.mark.parametrize("dataclass", DATACLASSES)
def test_every_field_has_help(dataclass: type) -> None:
    assert [f.name for f in fields(dataclass) if f.name not in INHERITED and not f.metadata.get("help")] == []


@pytest.mark.parametrize("dataclass", DATACLASSES)
def test_fairseqs_parser_is_built_from_it(dataclass: type) -> None:
    parser = ArgumentParser()
    gen_parser_from_dataclass(parser, dataclass())
    assert len(parser._actions) > 1

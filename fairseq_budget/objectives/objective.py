"""What has to be known of an objective, wherever one is asked for by name.

Needs the standard library alone: planning, reports and help pages ask here without importing torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fairseq_budget import published
from fairseq_budget.arithmetic.model_config import ModelConfig, read_config
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import SIZES, Size
from fairseq_budget.frontends import DEFAULT


@dataclass(frozen=True)
class Regularisation:
    """Dropout, LayerDrop and the scale of the gradient that reaches the front end."""

    dropout: float
    encoder_layerdrop: float
    feature_grad_mult: float


# Liu et al. 2024: as in HuBERT and wav2vec 2.0 Base; Large without dropout or LayerDrop, convolutions at full gradient
REGULARISED = Regularisation(dropout=0.1, encoder_layerdrop=0.05, feature_grad_mult=0.1)
UNREGULARISED = Regularisation(dropout=0.0, encoder_layerdrop=0.0, feature_grad_mult=1.0)

MINI_LEARNING_RATE = 1e-3
"""Highest rate of a mini size 256 wide; others have it times ``sqrt(256 / width)``.

With it HuBERT left the plateau of guessing at every width from 32 to 384 (mel frames, batches of 8 x 4 s, 5e11 to 3.2e13
FLOPs).  Around it, 96 wide, on an hour of LibriSpeech (4e11 FLOPs, 338 updates of 4 x 2 s): 5.98 bits at 1e-3, 5.90 at the
rule's 1.6e-3, 5.88 at 2e-3, 6.41 at 4e-3, which stays on the plateau.  All objectives, 32 and 64 wide, at a quarter to four
times the rule (2e11 FLOPs, one seed): twice the rule is better at 32 wide, by 0.2 to 0.3 bits (TERA 0.02), and about equal
at 64 wide, where four times is worse; less than the rule is worse everywhere.
"""
MINI_WIDTH = 256
POS_GROUPS = 16
"""Of the positional convolution, as in wav2vec 2.0; a narrower model has one for each channel."""
FINETUNE = "finetune"
"""The recipe of fine-tuning."""

OWN_TERM = "loss_prediction"
"""What an objective's own part of the loss is called, where it has no other name."""

CONSTANT_TERM = "loss_constant"
"""Logged at validation, not trained on: what the best constant guess comes to, where the targets are numbers."""

SAMPLES_PER_BATCH = 1_400_000
"""Of each of two ranks: 87.5 s (Liu et al. 2024)."""
LARGE_SAMPLES_PER_BATCH: Mapping[str, int] = {"large": 700_000}
"""HuBERT's and TERA's Large in the released configurations, which therefore make 160,144 updates."""

LARGE_AS_THE_OTHERS: Mapping[str, Any] = {"layer_norm_first": False, "extractor_mode": "default", "normalize": False}
"""Norms of an encoder that is Base's in every size: after the blocks, and group norm after the first convolution."""

NOMINAL_PERCENTS: Mapping[str, int] = {"30": 30, "50": 50, "70": 70, "small": 100, "slim": 100, "200": 200}
"""What Liu et al. 2024 call the sizes up to 200%, whatever the objective; Base and Large are given exactly (table 4)."""


@dataclass(frozen=True)
class Objective:
    """An objective as its folder describes it."""

    name: str
    """Of its folder, its recipe and its registered model (``budget_<name>``)."""
    title: str
    """As it is written in text."""
    marker: str
    """matplotlib's marker in plots."""
    config: type[ModelConfig]
    """Settings of a model, the encoder's and its own."""
    loss_unit: str
    """What losses are logged in: a key of :data:`fairseq_budget.objectives.loss.UNITS`."""
    learning_rates: Mapping[str, float]
    """Highest learning rate by size; of other sizes see :meth:`learning_rate`."""
    own_term: str = OWN_TERM
    """Its part of the loss in logs, penalties apart."""
    mini_learning_rate: float = MINI_LEARNING_RATE
    """The same of a mini size that is 256 wide."""
    percents: Mapping[str, int] = field(default_factory=dict)
    """Published size relative to Slim, in percent of parameters; of other sizes see :meth:`percent`."""
    needs_labels: bool = False
    """Whether every frame of the training audio needs a label."""
    pretrains: bool = True
    """Whether models are pre-trained by it; otherwise they are fine-tuned, and the recipe is called so."""
    stock_names: tuple[str, ...] = ()
    """What stock fairseq calls its model; checkpoints of it are read."""
    samples_per_batch: Mapping[str, int] = field(default_factory=dict)
    """Samples of a rank's batch by size, where they aren't :data:`SAMPLES_PER_BATCH`."""
    unregularised: Mapping[str, Any] = field(default_factory=lambda: LARGE_AS_THE_OTHERS)
    """Settings of Large, which trains without regularisation, where they differ between objectives."""

    @property
    def recipe(self) -> str:
        """What ``--config-name`` calls its recipe."""
        return self.name if self.pretrains else FINETUNE

    def learning_rate(self, size: Size) -> float:
        """The highest learning rate of a size.

        A mini size has one by its width, ``rate * sqrt(256 / width)``.  Another size without a published one has a value
        between those of its neighbours, linear in the logarithms of rate and parameters; beyond the smallest and the largest
        of the published ones, theirs.
        """
        if size.name in self.learning_rates:
            return self.learning_rates[size.name]
        if size.mini:
            return float(f"{self.mini_learning_rate * math.sqrt(MINI_WIDTH / size.encoder_embed_dim):.2g}")
        known = sorted((self.params(SIZES[name]), rate) for name, rate in self.learning_rates.items())
        params = self.params(size)
        if not known[0][0] < params < known[-1][0]:
            return known[0][1] if params <= known[0][0] else known[-1][1]
        above = next(place for place, (count, _) in enumerate(known) if count >= params)
        (few, low), (many, high) = known[above - 1], known[above]
        share = math.log(params / few) / math.log(many / few)
        return float(f"{low ** (1 - share) * high**share:.2g}")

    def batch_samples(self, size: Size) -> int:
        """Samples of a rank's batch at most (`dataset.max_tokens`), as published."""
        return self.samples_per_batch.get(size.name, SAMPLES_PER_BATCH)

    def percent(self, size: Size, frontend: str = DEFAULT) -> float:
        """Parameters relative to the published Slim's, in percent, as published where the study has the size.

        From another front end than the study's they are counted; below 10% to two digits.
        """
        if frontend == DEFAULT and size.name in self.percents:
            return self.percents[size.name]
        share = 100 * self.params(size, frontend) / self.params(SIZES["slim"])
        return round(share) if share >= 10 else float(f"{share:.2g}")

    def params(self, size: Size, frontend: str = DEFAULT) -> int:
        """Parameters of a size, the head included."""
        return count_parameters(self.shape(size, frontend=frontend))

    def published_curve(self) -> list[published.Row]:
        """Losses and scores by size at 1.33e18 FLOPs (Liu et al. 2024, figure 2); empty where nobody has published any."""
        return [row for row in published.u_curve() if row["objective"] == self.name]

    def settings(self, size: Size) -> dict[str, Any]:
        """Every setting of a model that the size decides; keys are fields of :attr:`config`, and `normalize`."""
        regular = REGULARISED if size.regularised else UNREGULARISED
        norms = LARGE_AS_THE_OTHERS if size.regularised or size.mini else self.unregularised
        return {
            "encoder_layers": size.encoder_layers,
            "encoder_embed_dim": size.encoder_embed_dim,
            "encoder_ffn_embed_dim": size.encoder_ffn_embed_dim,
            "encoder_attention_heads": size.encoder_attention_heads,
            "final_dim": size.final_dim,
            "conv_pos_groups": min(POS_GROUPS, size.encoder_embed_dim),
            "dropout": regular.dropout,
            "attention_dropout": regular.dropout,
            "dropout_input": regular.dropout,
            "dropout_features": regular.dropout,
            "encoder_layerdrop": regular.encoder_layerdrop,
            "feature_grad_mult": regular.feature_grad_mult,
            **norms,
        }

    def model_config(self, settings: Any) -> ModelConfig:
        """The configuration in any mapping or object with such fields."""
        return read_config(self.config, settings)

    def shape(self, size: Size, **settings: Any) -> ModelShape:
        """The shape of a row of the size table, with other settings where given."""
        return self.model_config({**self.settings(size), **settings}).shape()

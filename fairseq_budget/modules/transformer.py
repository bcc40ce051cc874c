"""The Transformer that all objectives share.

Letters: B utterances, F frames, D model width, H heads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.kernels.attention import attend
from fairseq_budget.kernels.dropout import dropout
from fairseq_budget.kernels.stacked import cast_stacked, is_cast
from fairseq_budget.modules.positional import PositionalConv


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with BERT's initialisation (Devlin et al. 2019), which wav2vec 2.0 and HuBERT use."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


class Cast(NamedTuple):
    """A layer's parameters in half precision: of query, key and value as one product, and of the three products after it."""

    qkv: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]
    fc1: tuple[Tensor, Tensor]
    fc2: tuple[Tensor, Tensor]


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2.2)."""

    def __init__(self, dim: int, heads: int, dropout: float, init: str = "bert") -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (_linear(dim, dim) for _ in range(4))
        if init == "xavier":
            self._draw_as_one()

    def _draw_as_one(self) -> None:
        """The first weights of Vaessen and van Leeuwen (Glorot and Bengio 2010): query, key and value are one matrix there,
        of D inputs and 3 D outputs, with a gain of 1 / sqrt(2); as matrices of their own they have half a gain."""
        for projection, gain in ((self.q_proj, 0.5), (self.k_proj, 0.5), (self.v_proj, 0.5), (self.out_proj, 1.0)):
            nn.init.xavier_uniform_(projection.weight, gain)

    def forward(self, x: Tensor, keep: Tensor | None, cast: Cast | None = None) -> Tensor:
        """Shape: x (B, F, D), keep (B, 1, 1, F) true where a frame exists, or None when all do -> (B, F, D)."""
        batch, frames, dim = x.shape
        query, key, value = (
            # (B, F, D) -> (B, H, F, D / H)
            projected.view(batch, frames, self.heads, dim // self.heads).transpose(1, 2)
            for projected in self._project(x, cast)
        )
        attended = attend(query, key, value, keep, self.dropout if self.training else 0.0)
        # (B, H, F, D / H) -> (B, F, D)
        attended = attended.transpose(1, 2).reshape(batch, frames, dim)
        return F.linear(attended, *cast.out) if cast else self.out_proj(attended)

    @property
    def projections(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """Of query, key and value."""
        return self.q_proj, self.k_proj, self.v_proj

    def _project(self, x: Tensor, cast: Cast | None) -> Iterable[Tensor]:
        if x.device.type == "cuda" or cast:
            return self._project_at_once(x, cast)
        return (projection(x) for projection in self.projections)

    def _project_at_once(self, x: Tensor, cast: Cast | None = None) -> Iterable[Tensor]:
        """In one product, for a GPU: it starts fewer kernels, and larger ones."""
        stacked = (torch.cat([getattr(one, name) for one in self.projections]) for name in ("weight", "bias"))
        return F.linear(x, *(cast.qkv if cast else stacked)).chunk(3, -1)


class TransformerLayer(nn.Module):
    """Attention and feed-forward with residuals; norms after each block, or before it (`layer_norm_first`)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.norm_first = config.layer_norm_first
        self.self_attn = SelfAttention(dim, config.encoder_attention_heads, config.attention_dropout, config.attention_init)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = _linear(dim, config.encoder_ffn_embed_dim)
        self.fc2 = _linear(config.encoder_ffn_embed_dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.dropout, self.activation_dropout = config.dropout, config.activation_dropout
        self.approximate = "tanh" if config.activation_fn == "gelu_accurate" else "none"

    def casts_at_once(self, x: Tensor) -> bool:
        """Whether starting a kernel for each parameter's cast costs more than casting; a compiler joins them itself."""
        return x.device.type == "cuda" and is_cast(self.fc1.weight) and not torch.compiler.is_compiling()

    def cast(self) -> Cast:
        """Its parameters as autocast would cast them, by one kernel."""
        attention = self.self_attn
        products = [attention.projections, (attention.out_proj,), (self.fc1,), (self.fc2,)]
        groups = [[getattr(one, name) for one in product] for product in products for name in ("weight", "bias")]
        found = cast_stacked(groups)
        return Cast(*zip(found[::2], found[1::2], strict=True))

    def _feed_forward(self, x: Tensor, cast: Cast | None) -> Tensor:
        x = F.gelu(F.linear(x, *cast.fc1) if cast else self.fc1(x), approximate=self.approximate)
        x = dropout(x, self.activation_dropout, self.training)
        return dropout(F.linear(x, *cast.fc2) if cast else self.fc2(x), self.dropout, self.training)

    def _attend(self, x: Tensor, keep: Tensor | None, cast: Cast | None) -> Tensor:
        return dropout(self.self_attn(x, keep, cast), self.dropout, self.training)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Shape: x (B, F, D), keep (B, 1, 1, F) or None -> (B, F, D)."""
        cast = self.cast() if self.casts_at_once(x) else None
        if self.norm_first:
            x = x + self._attend(self.self_attn_layer_norm(x), keep, cast)
            return x + self._feed_forward(self.final_layer_norm(x), cast)
        x = self.self_attn_layer_norm(x + self._attend(x, keep, cast))
        return self.final_layer_norm(x + self._feed_forward(x, cast))


class TransformerEncoder(nn.Module):
    """Positional convolution and a stack of layers, with LayerDrop in training (Fan et al. 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.pos_conv = PositionalConv(dim, config.conv_pos, config.conv_pos_groups)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(dim)
        self.norm_first, self.dropout = config.layer_norm_first, config.dropout
        self.layerdrop, self.checkpoint_activations = config.encoder_layerdrop, config.checkpoint_activations
        self.layers_run = 0
        """How many layers the last pass ran, for the ledger of what was really executed."""

    def forward(
        self, x: Tensor, valid: Tensor | None, states: list[Tensor] | None = None, depth: int | None = None
    ) -> Tensor:
        """Shape: x (B, F, D), valid (B, F) true where a frame exists, or None when all do -> (B, F, D).

        Given a list as `states`, every layer runs (no LayerDrop) and the list receives the input of the first layer and the
        output of each; the last one is what the encoder returns.  Given a `depth`, only so many layers run, and no norm
        follows them.
        """
        keep = None
        if valid is not None:
            x = x * valid[..., None]
            keep = valid[:, None, None, :]
        x = x + self.pos_conv(x)
        if not self.norm_first:
            x = self.layer_norm(x)
        x = dropout(x, self.dropout, self.training)
        self.layers_run = 0
        for layer in self.layers[:depth]:
            if states is not None:
                states.append(x)
            elif self.training and self.layerdrop > 0 and torch.rand(()).item() < self.layerdrop:
                # drawn on the CPU: the decision costs no synchronisation with a GPU
                continue
            x = self._run(layer, x, keep)
            self.layers_run += 1
        if self.norm_first and depth is None:
            x = self.layer_norm(x)
        if states is not None:
            states.append(x)
        return x

    def _run(self, layer: nn.Module, x: Tensor, keep: Tensor | None) -> Tensor:
        if self.checkpoint_activations and torch.is_grad_enabled():
            return checkpoint(layer, x, keep, use_reentrant=False)
        return layer(x, keep)

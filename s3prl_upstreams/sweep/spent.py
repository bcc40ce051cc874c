"""What an evaluation costs.

The upstream's FLOPs are the closed form of :mod:`fairseq_budget.arithmetic.flops` on the true length of every utterance,
one forward pass each, where it learns the backward pass, too, without the objective's head, which isn't run.  FBANK has no
matrix products; of other people's upstreams nothing is known (None).  A head's FLOPs are counted from the shapes that its
linear and recurrent layers are given, times three where it learns.  The convention is the pre-training's: a
multiply-accumulate counts 2, only matrix products count.

With a store of hidden states only what a pass computes is charged.  A shared pass is charged once: each trial that took part
is charged an equal share, so that rows may be added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn
from torch.nn.utils.rnn import PackedSequence

from fairseq_budget.arithmetic.flops import BACKWARD_AND_FORWARD, encoder_flops
from fairseq_budget.arithmetic.shape import ModelShape
from s3prl_upstreams.store.upstream import StoredUpstream
from s3prl_upstreams.upstreams.batches import OneByOne
from s3prl_upstreams.upstreams.means import MeanUpstream

LayerFlops = Callable[[Any, Any, Any], int]
"""Of a layer, from the layer, what it was given and what it gave."""


@dataclass
class TrialSpent:
    """Of one trial; `upstream_flops` is None where the upstream's shape isn't known."""

    upstream_flops: int | None = 0
    head_flops: int = 0
    device_seconds: float = 0.0

    def __add__(self, other: TrialSpent) -> TrialSpent:
        known = None not in (self.upstream_flops, other.upstream_flops)
        return TrialSpent(
            (self.upstream_flops or 0) + (other.upstream_flops or 0) if known else None,
            self.head_flops + other.head_flops,
            self.device_seconds + other.device_seconds,
        )

    def as_dict(self) -> dict[str, Any]:
        """For a record."""
        return {**asdict(self), "device_seconds": round(self.device_seconds, 2)}


def total(amounts: Iterable[TrialSpent]) -> TrialSpent:
    """The sum."""
    return sum(amounts, TrialSpent())


def charge(amounts: Sequence[TrialSpent], upstream_flops: int | None, seconds: float) -> None:
    """Divide the cost of a shared pass among those who took part; the first bears what doesn't divide evenly."""
    for place, amount in enumerate(amounts):
        amount.device_seconds += seconds / len(amounts)
        if upstream_flops is None or amount.upstream_flops is None:
            amount.upstream_flops = None
        else:
            amount.upstream_flops += upstream_flops // len(amounts) + (upstream_flops % len(amounts) if place == 0 else 0)


def upstream_flops(upstream: nn.Module, samples: Iterable[int], trained: bool = False) -> int | None:
    """FLOPs of an upstream on utterances of so many samples; with a store, of those that the last pass computed.

    `trained`: with the backward pass.
    """
    if isinstance(upstream, StoredUpstream):
        return upstream_flops(upstream.upstream, upstream.computed)
    while isinstance(upstream, MeanUpstream | OneByOne):
        upstream = upstream.upstream
    shape = getattr(getattr(upstream, "model", None), "model_shape", None)
    if isinstance(shape, ModelShape):
        return sum(encoder_flops(shape, length, trained) for length in samples)
    return 0 if type(upstream).__module__.startswith("s3prl.upstream.baseline") else None


def count_head(expert: nn.Module, spent: TrialSpent) -> None:
    """From now on, add what `expert` computes to `spent`."""

    for module in expert.modules():
        for layer_flops in (LAYERS[kind.__name__] for kind in type(module).__mro__ if kind.__name__ in LAYERS):
            module.register_forward_hook(_adding(layer_flops, spent))


def _adding(layer_flops: LayerFlops, spent: TrialSpent) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def add(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        factor = BACKWARD_AND_FORWARD if module.training else 1
        spent.head_flops += factor * layer_flops(module, inputs[0], output)

    return add


def _linear(module: Any, x: Any, output: Any) -> int:
    return 2 * output.numel() * module.in_features


def _lstm(module: Any, x: Any, output: Any) -> int:
    """Four gates of each direction and layer, from the layer's input and from its last output."""
    frames = len(x.data) if isinstance(x, PackedSequence) else x.shape[0] * x.shape[1]
    directions, hidden = 1 + module.bidirectional, module.hidden_size
    widths = [module.input_size, *[directions * hidden] * (module.num_layers - 1)]
    return sum(2 * frames * directions * 4 * hidden * (width + hidden) for width in widths)


def _am_softmax(module: Any, x: Any, output: Any) -> int:
    return 2 * len(x) * module.W.numel()


LAYERS: dict[str, LayerFlops] = {"Linear": _linear, "LSTM": _lstm, "AMSoftmaxLoss": _am_softmax}
"""Every matrix product in the heads of SUPERB's recipes, by the name of the class, or of one that it derives from."""

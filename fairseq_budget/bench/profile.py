"""Where the time of a training step goes: its operations by kind, with the FLOPs they do and the bytes they touch.

Every operation that torch dispatches is timed on its own, below autograd: forward pass, backward pass and optimizer.  That
costs nothing within an operation, but some microseconds between two of them.  So steps are timed unwatched, too; what their
operations leave of such a step is Python, starting operations, and the random numbers that numpy draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import conv_backward_flop, flop_registry, shape_wrapper

from fairseq_budget.bench.implementation import Implementation
from fairseq_budget.bench.implementations import implementation_class
from fairseq_budget.bench.workload import Workload
from fairseq_budget.planning.machine import Stopwatch, matmul_rate

OPTIMIZER, OTHERS, ELSEWHERE = "optimizer, clipping", "other operations", "between operations"
KINDS = {
    "matrix products": ("mm", "addmm", "mv", "addmv", "dot"),
    "products of attention": ("bmm", "baddbmm"),
    "fused attention": ("_scaled_dot_product", "_flash_attention", "_efficient_attention"),
    "convolutions": ("convolution", "mkldnn_convolution", "cudnn_convolution"),
    "GELU": ("gelu",),
    "softmax": ("softmax", "_softmax", "log_softmax", "_log_softmax"),
    "norms": ("native_layer_norm", "native_group_norm", "native_batch_norm", "_weight_norm"),
    "dropout": ("threshold", "lerp", "native_dropout", "bernoulli"),
    "element by element": ("mul", "add", "sub", "div", "neg", "clamp", "abs", "exp", "sqrt", "pow", "where", "masked_fill"),
    "copies and casts": ("copy", "clone", "_to_copy", "cat", "stack", "index", "gather", "constant_pad_nd", "fill", "zero"),
}
"""Operations of each kind, by the beginnings of their names: a name goes to the kind with the longest."""


@dataclass(frozen=True)
class OperationKind:
    """What the operations of a kind come to in a step."""

    name: str
    calls: int
    seconds: float
    flops: int
    bytes: int
    """Of tensors read and written, each as often as an operation names it."""


@dataclass(frozen=True)
class Profile:
    """A step by kinds of operations, the longest first."""

    step_seconds: float
    """Unwatched; a median, as all seconds are."""
    matmul_flops_per_second: float
    kinds: list[OperationKind]


def profile(name: str, workload: Workload, repeats: int, report: Callable[[str], None]) -> Profile:
    """Watch `repeats` steps, each after one that is timed only, after one to warm up.

    Raises:
        BudgetError: an unknown implementation.
    """
    report("matrix products")
    rate = matmul_rate(workload.device, workload.precision)
    implementation = implementation_class(name)(workload)
    implementation.step(0)
    steps, watched = [], []
    for number in range(1, repeats + 1):
        report(f"step {number} of {repeats}")
        steps.append(implementation.step(number).step)
        with Watch(implementation) as watch:
            implementation.step(number)
        watched.append(watch.kinds())
    kinds = _medians(watched)
    seconds = median(steps)
    rest = max(seconds - sum(kind.seconds for kind in kinds), 0.0)
    return Profile(seconds, rate, [*kinds, OperationKind(ELSEWHERE, 0, rest, 0, 0)])


def _medians(watched: Sequence[dict[str, OperationKind]]) -> list[OperationKind]:
    """LayerDrop makes the steps differ: what they have in calls, FLOPs and bytes are medians, too."""
    kinds = []
    for name in dict.fromkeys(name for step in watched for name in step):
        found = [astuple(step.get(name, OperationKind(name, 0, 0.0, 0, 0)))[1:] for step in watched]
        calls, seconds, flops, touched = map(median, zip(*found, strict=True))
        kinds.append(OperationKind(name, round(calls), seconds, round(flops), round(touched)))
    return sorted(kinds, key=lambda kind: -kind.seconds)


class Watch(TorchDispatchMode):
    """Times every operation of an implementation's step, inside a ``with``."""

    def __init__(self, implementation: Implementation) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.implementation, self.stopwatch = implementation, Stopwatch(implementation.device)
        self.rows: list[tuple[str, int, int]] = []
        """Kind, FLOPs and bytes of each."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, packet = kwargs or {}, func._overloadpacket
        if func.is_view or "empty" in packet.__name__:
            return func(*args, **kwargs)  # touches nothing
        self.stopwatch.mark()
        out = func(*args, **kwargs)
        self.stopwatch.mark()
        name = OPTIMIZER if self.implementation.updating else kind_of(packet.__name__)
        self.rows.append((name, _flops(packet, args, kwargs, out), _bytes(args, kwargs, out)))
        return out

    def kinds(self) -> dict[str, OperationKind]:
        """What was seen, added up."""
        # from before an operation to after it, without what lies between two
        seconds = self.stopwatch.seconds()[::2]
        seen = defaultdict(list)
        for (name, flops, touched), taken in zip(self.rows, seconds, strict=True):
            seen[name].append((1, taken, flops, touched))
        return {name: OperationKind(name, *map(sum, zip(*rows, strict=True))) for name, rows in seen.items()}


def kind_of(operation: str) -> str:
    """The kind of an operation, by torch's name of it without overload."""
    plain = operation.removeprefix("_foreach_")
    fitting = [(len(start), kind) for kind, starts in KINDS.items() for start in starts if plain.startswith(start)]
    return max(fitting)[1] if fitting else OTHERS


def _flops(packet: Any, args: Any, kwargs: Any, out: Any) -> int:
    formula = FLOPS.get(packet)
    return 0 if formula is None else formula(*args, **kwargs, out_val=out)


def grouped_convolution_backward(*args: Any, out_shape: Any, **_: Any) -> int:
    """FLOPs of a convolution's backward pass, of shapes: torch's formula for the weight's gradient forgets the groups."""
    *others, groups, (of_input, of_weight, _) = args
    formula: Any = conv_backward_flop  # registering it hides its arguments
    counts = [
        formula(*others, groups, mask, out_val=out_shape) for mask in ([of_input, False, False], [False, of_weight, False])
    ]
    return counts[0] + counts[1] // groups


FLOPS = {**flop_registry, torch.ops.aten.convolution_backward: shape_wrapper(grouped_convolution_backward)}
"""torch's formulas, by operation."""


def _bytes(args: Any, kwargs: Any, out: Any) -> int:
    touched = {id(tensor): tensor for tensor in _tensors((args, kwargs, out))}
    return sum(map(_size, touched.values()))


def _size(tensor: Tensor) -> int:
    """A tensor that repeats itself in memory, such as an expanded one, counts once."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _tensors(values: Any) -> Iterator[Tensor]:
    return (value for value in tree_iter(values) if isinstance(value, Tensor))

"""The parameters of many products in the precision of products, all cast by one kernel.

Autocast casts each parameter on its own, and each gradient back: on a GPU, where a small kernel takes as long to start as to
run, that is a third of what a small model's update starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.kernels.precision import working_dtype

Group = Sequence[Tensor]
"""Parameters that become one."""


def is_cast(parameter: Tensor) -> bool:
    """Whether autocast would cast a parameter for a product."""
    return working_dtype(parameter) != parameter.dtype


def cast_stacked(groups: Sequence[Group]) -> tuple[Tensor, ...]:
    """Each group's parameters one below the other, in autocast's precision; gradients arrive in the parameters' own.

    Shape: parameters (n, ...) of a group, n may differ -> (sum of n, ...) for each group
    """
    dtype = working_dtype(groups[0][0])
    parameters = [parameter for group in groups for parameter in group]
    return _CastStacked.apply(dtype, list(map(len, groups)), *parameters)  # type: ignore[no-untyped-call]


class _CastStacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, counts: list[int], *parameters: Tensor) -> tuple[Tensor, ...]:
        """Shape: as :func:`cast_stacked`, the groups, of `counts` parameters each, one after the other."""
        rest, outs = list(parameters), []
        parts: list[Tensor] = []
        ctx.rows, ctx.dtype = [], parameters[0].dtype
        for count in counts:
            group, rest = rest[:count], rest[count:]
            rows = [len(parameter) for parameter in group]
            outs.append(group[0].new_empty((sum(rows), *group[0].shape[1:]), dtype=dtype))
            parts += torch.split(outs[-1], rows)
            ctx.rows.append(rows)
        torch._foreach_copy_(parts, list(parameters))
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        parts = [part for gradient, rows in zip(gradients, ctx.rows, strict=True) for part in torch.split(gradient, rows)]
        own = [torch.empty_like(part, dtype=ctx.dtype) for part in parts]
        torch._foreach_copy_(own, parts)
        return None, None, *own

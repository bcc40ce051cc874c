"""The names behind s3prl's ``-u``: one for every size in the table, ``budget_local`` for a shape of one's own, and the same
without pre-training, ``random_slim`` and its like without a checkpoint and ``random_local`` for a checkpoint's shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import MODEL_PREFIX
from s3prl_upstreams.upstreams.expert import UpstreamExpert

UNTRAINED_PREFIX = "random_"


def budget_local(ckpt: str, *args: Any, **kwargs: Any) -> UpstreamExpert:
    """The model in the checkpoint `ckpt`, whatever its size; s3prl's ``-u budget_local -k PATH``."""
    return UpstreamExpert(ckpt, *args, upstream="budget_local", **kwargs)


def random_local(ckpt: str, *args: Any, **kwargs: Any) -> UpstreamExpert:
    """An untrained model of the shape of the checkpoint `ckpt`: what it lacks is what pre-training gives."""
    return UpstreamExpert(ckpt, *args, upstream="random_local", untrained=True, **kwargs)


def _untrained(size: str) -> Callable[..., UpstreamExpert]:
    name = f"{UNTRAINED_PREFIX}{size}"

    def upstream(*args: Any, **kwargs: Any) -> UpstreamExpert:
        return UpstreamExpert(*args, upstream=name, size=size, untrained=True, **kwargs)

    upstream.__name__ = upstream.__qualname__ = name
    upstream.__doc__ = f"An untrained model of size {size} on the papers' convolutions, always the same; see `random_local`."
    return upstream


def _of_size(size: str) -> Callable[..., UpstreamExpert]:
    name = f"{MODEL_PREFIX}{size}"

    def upstream(ckpt: str, *args: Any, **kwargs: Any) -> UpstreamExpert:
        return UpstreamExpert(ckpt, *args, upstream=name, size=size, **kwargs)

    upstream.__name__ = upstream.__qualname__ = name
    upstream.__doc__ = f"The model in the checkpoint `ckpt`, which must be of size {size}."
    return upstream


WITHOUT_CHECKPOINT: dict[str, Callable[..., UpstreamExpert]] = {
    f"{UNTRAINED_PREFIX}{size.name}": _untrained(size.name) for size in SIZES.values() if not size.mini
}
UPSTREAMS: dict[str, Callable[..., UpstreamExpert]] = {f"{MODEL_PREFIX}{size}": _of_size(size) for size in SIZES}
UPSTREAMS |= {"budget_local": budget_local, "random_local": random_local, **WITHOUT_CHECKPOINT}
globals().update(UPSTREAMS)  # s3prl's convention: a hubconf module has one function for each upstream

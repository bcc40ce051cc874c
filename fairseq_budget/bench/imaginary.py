"""CUDA that isn't there: whole training steps on tensors that have a device, a type and a shape, but no values.

torch's FakeTensorMode computes shapes, types and devices of every operation, and refuses what mixes devices.  Here it sees
what is on the GPU alone; what a step draws and counts on the CPU is computed, as it would be.  A value that is read from the
GPU is made up: each such reading is one time that the host waits for the device.  Of every operation on the GPU the kernels
are counted that it starts at least.

What this can't show: time, memory, numbers, and whether a kernel exists for a type.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.weak import WeakIdKeyDictionary

GPU, META = torch.device("cuda", 0), torch.device("meta")
HOPPER = (9, 0)
BYTES = 80 * 2**30
CHUNK, CHUNKS = 1 << 16, 320
"""Values of a chunk, and chunks of a launch, where one kernel works on many tensors (ATen, MultiTensorApply.cuh)."""
TENSORS = {1: 110, 2: 64, 3: 48, 4: 36, 5: 30}
"""Tensors of such a launch, by how many lists of them it works on (ATen, MultiTensorApply.cuh)."""
FREE = ("empty", "new_empty", "detach", "_unsafe_view", "lift_fresh")
"""Operations that start no kernel, beside those that torch knows as views."""
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution")
"""Operations that no device has for mixed types; torch finds it out in their kernels only."""
READINGS = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "is_nonzero")
"""Operations whose result the host has to know before it can go on."""


ASKED_FOR_DEVICE = torch.ops.prim.device.default
"""C++ would look for a GPU there: it hears of torch's `meta` device, which has none."""


class _WithoutDevice(FakeTensorMode):
    """As on a machine without a GPU, whatever `torch.cuda` answers."""

    avoid_device_init = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is ASKED_FOR_DEVICE:
            return META
        if kwargs and kwargs.get("device") == META:  # as C++ heard
            kwargs = {**kwargs, "device": GPU}
        return super().__torch_dispatch__(func, types, args, kwargs)


class Imagined(TorchDispatchMode):
    """Operations on the imaginary GPU, by name: the kernels that they start and the times that the host waits."""

    def __init__(self, fake: FakeTensorMode, placed: _Placed) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fake, self.placed = fake, placed
        self.launches: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self._said_yes: list[Tensor] = []
        """What was asked about numbers, such as whether all are finite."""

    def restart(self) -> None:
        """Forget what was counted."""
        self.launches.clear()
        self.waits.clear()
        self._said_yes.clear()
        self.placed.forget_casts()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is ASKED_FOR_DEVICE:
            return META
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == META:
            kwargs["device"] = GPU
        inside = [x for x in tree_iter((args, kwargs)) if isinstance(x, FakeTensor)]
        if not inside and torch.device(kwargs.get("device") or "cpu").type == "cpu":
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if name == "_local_scalar_dense":
            self.waits[name] += args[0].device.type == "cuda"
            return self._made_up(args[0])
        if name in PRODUCTS and len({x.dtype for x in inside}) > 1:
            raise RuntimeError(f"{name} of tensors of more than one dtype: {', '.join(str(x.dtype) for x in inside)}")
        args, kwargs = tree_map(self._imagine, (args, kwargs))
        out = _into(func, args, kwargs) if "out" in kwargs else func(*args, **kwargs)
        if name in READINGS or _comes_to_the_host(inside, out):
            self.waits[name] += 1
        elif not func.is_view and not name.startswith(FREE):
            self.launches[name] += _kernels(name, args)
        if name == "all":
            self._said_yes.append(out)
        return out

    def _made_up(self, asked: Tensor) -> Any:
        """A value as if all went well: all numbers are finite, none is infinite, and no limit is exceeded."""
        if asked.dtype is torch.bool:
            return any(asked is said for said in self._said_yes)
        return 1.0 if asked.dtype.is_floating_point else 1

    def _imagine(self, value: Any) -> Any:
        is_real = isinstance(value, Tensor) and not isinstance(value, FakeTensor)
        return self.fake.from_tensor(value) if is_real else value


def _into(func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    """What is given as `out`, after a look at whether the result fits into it."""
    out = kwargs.pop("out")
    result = func._overloadpacket.default(*args, **kwargs)
    if (result.shape, result.dtype, result.device) != (out.shape, out.dtype, out.device):
        raise RuntimeError(f"{func} gives {result}, but is to fill {out}")
    return out


def _comes_to_the_host(inside: list[Any], out: Any) -> bool:
    return any(x.device.type == "cuda" for x in inside) and isinstance(out, Tensor) and out.device.type == "cpu"


def _kernels(name: str, args: Any) -> int:
    """One, or as many as lists of tensors need."""
    lists = [x for x in args if isinstance(x, list | tuple) and x and isinstance(x[0], Tensor)]
    if not name.startswith(("_foreach_", "_fused_")):
        return 1
    chunks = sum(math.ceil(x.numel() / CHUNK) for x in lists[0])
    return max(math.ceil(len(lists[0]) / TENSORS[min(len(lists), 5)]), math.ceil(chunks / CHUNKS))


class _Placed(TorchFunctionMode):
    """Torch's own ways to a GPU, which ask for one, as operations that don't; and autocast, which asks, too."""

    def __init__(self) -> None:
        super().__init__()
        self._casts: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def _halved(self, value: Any) -> Any:
        """As autocast gives it to a product; a parameter is cast once in a forward pass."""
        low = torch.get_autocast_dtype("cuda")
        if not isinstance(value, FakeTensor) or value.dtype in (low, torch.float64) or not value.is_floating_point():
            return value
        if not (value.is_leaf and value.requires_grad):
            return value.to(low)
        if value not in self._casts:
            self._casts[value] = value.to(low)
        return self._casts[value]

    def forget_casts(self) -> None:
        """A forward pass begins."""
        self._casts.clear()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.cuda:
            return args[0].to(GPU)
        if func is Tensor.new:
            return torch.empty(args[1:], dtype=args[0].dtype, device=args[0].device)
        if func in _HALVED and "out" not in kwargs and torch.is_autocast_enabled("cuda"):
            args, kwargs = tree_map(self._halved, (args, kwargs))
        elif func in _WHOLE and torch.is_autocast_enabled("cuda"):
            args, kwargs = tree_map(_whole, (args, kwargs))
        if func in _ON_GPU and isinstance(args[0], FakeTensor):
            return _ON_GPU[func](*args, **kwargs)
        if func is Tensor.to:  # torch would look for a GPU of that number, and for one to copy to in the background
            kwargs.pop("non_blocking", None)
            args = (args[0], *(GPU if type(x) is int else x for x in args[1:]))
        if type(kwargs.get("device")) is int:
            kwargs["device"] = GPU
        args = tuple(_indexed(x) for x in args)
        kwargs = {name: _indexed(x) for name, x in kwargs.items()}
        return func(*args, **kwargs)


def _whole(value: Any) -> Any:
    low = isinstance(value, FakeTensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if low else value


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.ops.aten.native_dropout(x, p, True)[0] if training and p else x


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, **_: Any
) -> Tensor:
    """Flash attention where it can be: in half precision, without a mask."""
    if attn_mask is None and query.dtype is not torch.float32:
        return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, dropout_p)[0]
    if attn_mask is not None:
        attn_mask = torch.where(attn_mask, 0.0, float("-inf")).to(query.dtype)
        attn_mask = attn_mask.expand(*query.shape[:3], key.size(2))
    return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, attn_mask, True, dropout_p)[0]


def _ctc_loss(
    logs: Tensor, targets: Tensor, frames: Tensor, lengths: Tensor, blank: int = 0, reduction: str = "mean", **_: Any
) -> Tensor:
    """A kernel and its backward pass; torch refuses to imagine it, as its buffer's shape goes by the numbers in `lengths`.

    Shape: logs (F, B, U), targets (B, L), frames (B,), lengths (B,) -> (B,)
    """
    if logs.dtype is not torch.float32:
        raise RuntimeError(f"ctc_loss has no kernel for {logs.dtype}")
    if targets.device != logs.device:
        raise RuntimeError("ctc_loss expects transcripts on the same device")
    if reduction != "none":
        raise RuntimeError("only a loss for each utterance is imagined")
    frames.cpu(), lengths.cpu()  # on the GPU, each is a time that the host waits
    return torch.amax(logs, (0, 2))


_HALVED = {
    F.linear,
    F.conv1d,
    torch.matmul,
    Tensor.matmul,
    Tensor.__matmul__,
    torch.bmm,
    torch.baddbmm,
    torch.mm,
    torch.addmm,
}
_WHOLE = {F.layer_norm, F.cross_entropy, F.normalize, F.softmax, torch.softmax, Tensor.softmax, torch.norm, Tensor.pow}
"""What autocast computes in half and in single precision, of what models here do (ATen, autocast_mode.h)."""
_ON_GPU: dict[Any, Callable[..., Any]] = {
    F.ctc_loss: _ctc_loss,
    F.dropout: _dropout,
    F.scaled_dot_product_attention: _attention,
}
"""What C++ would choose a kernel for by the device, which it doesn't know here."""


def _indexed(value: Any) -> Any:
    is_cuda = value == "cuda" if isinstance(value, str) else isinstance(value, torch.device) and value.type == "cuda"
    return GPU if is_cuda else value


def _answering(original: Any) -> Any:
    def dispatch(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return META if func is ASKED_FOR_DEVICE else original.__func__(cls, func, types, args, kwargs)

    return classmethod(dispatch)


def _apply(self: nn.Module, fn: Any, recurse: bool = True) -> nn.Module:
    """torch's own would swap the contents of two parameters, which imaginary ones don't bear."""
    for module in self.children() if recurse else ():
        module._apply(fn)
    for name, parameter in self._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                self._parameters[name] = nn.Parameter(fn(parameter), parameter.requires_grad)
    for name, buffer in self._buffers.items():
        self._buffers[name] = None if buffer is None else fn(buffer)
    return self


@contextmanager
def imaginary_cuda() -> Iterator[Imagined]:
    """A machine with a GPU that computes nothing: inside, torch finds it and fairseq trains on it."""
    properties = SimpleNamespace(name="imaginary", major=HOPPER[0], minor=HOPPER[1], total_memory=BYTES)
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_capability": lambda device=None: HOPPER,
        "get_device_properties": lambda device=None: properties,
        "empty_cache": lambda: None,
        "manual_seed": lambda seed: None,
        "manual_seed_all": lambda seed: None,
        "get_rng_state": lambda device="cuda": torch.empty(0),
        "set_rng_state": lambda state, device="cuda": None,
        "is_current_stream_capturing": lambda: False,
        "is_bf16_supported": lambda including_emulation=True: True,
        "synchronize": lambda device=None: None,
        "reset_peak_memory_stats": lambda device=None: None,
        "max_memory_allocated": lambda device=None: 0,
    }
    with ExitStack() as stack:
        stack.enter_context(patch.multiple(torch.cuda, **answers))
        stack.enter_context(patch.object(torch.accelerator, "is_available", lambda: False))
        answering = _answering(FakeTensor.__dict__["__torch_dispatch__"])
        stack.enter_context(patch.object(FakeTensor, "__torch_dispatch__", answering))
        stack.enter_context(patch.object(nn.Module, "_apply", _apply))
        fake = stack.enter_context(_WithoutDevice(allow_non_fake_inputs=True))
        placed = stack.enter_context(_Placed())
        imagined = stack.enter_context(Imagined(fake, placed))
        yield imagined

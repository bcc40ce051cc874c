"""Memory: how much a piece of work takes at its highest point, how much there is, and what running out of it looks like."""

from __future__ import annotations

import ctypes
import gc
import resource
from contextlib import suppress
from pathlib import Path

import torch

from fairseq_budget.planning import system_memory
from fairseq_budget.planning.system_memory import STATUS, status

_CLEAR = Path("/proc/self/clear_refs")
_RESET_HIGH_WATER_MARK = "5"  # Linux, Documentation/filesystems/proc.rst, clear_refs
_CPU_MESSAGES = ("can't allocate memory", "not enough memory", "could not create a memory", "bad_alloc")


class PeakMemory:
    """Bytes at the highest point, beyond those in use when this was made."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.restart()
        self.before = used_memory(device) or 0

    def restart(self) -> None:
        """Forget the highest point so far; what was in use at the beginning still counts as nothing."""
        release_unused(self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        elif _CLEAR.exists():
            # where it is read-only, the highest point since the process began stays
            with suppress(OSError):
                _CLEAR.write_text(_RESET_HIGH_WATER_MARK, encoding="ascii")

    def bytes(self) -> int | None:
        """At the highest point since the last restart; None where the system doesn't tell."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) - self.before
        return status("VmHWM") - self.before if STATUS.exists() else None


def used_memory(device: torch.device) -> int | None:
    """Bytes that this process has of a device now; None where the system doesn't tell."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return status("VmRSS") if STATUS.exists() else None


def release_unused(device: torch.device) -> None:
    """Give freed memory back to the system, so that it is not counted as in use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def available_memory(device: torch.device) -> int | None:
    """Bytes that a new allocation could have now; None where the system doesn't tell."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else system_memory.free_memory()


def limit_memory(device: torch.device, limit: int) -> None:
    """Let this process have `limit` bytes more than it has now; beyond them it runs out of memory."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(limit / total, 1.0), device)
        return
    allowed = status("VmData") + limit
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch has an exception of its own for GPUs only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _CPU_MESSAGES)

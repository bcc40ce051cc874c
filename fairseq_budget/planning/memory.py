"""Memory: how much a piece of work takes at its highest point, how much there is, and what running out of it looks like.

On a CPU, Linux's own figures are read (``/proc``); elsewhere they aren't known.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from contextlib import suppress
from pathlib import Path

import torch

KIB = 1024
_STATUS, _CLEAR, _MEMORY = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_RESET_HIGH_WATER_MARK = "5"  # Linux, Documentation/filesystems/proc.rst, clear_refs
_CPU_MESSAGES = ("can't allocate memory", "not enough memory", "could not create a memory", "bad_alloc")


class PeakMemory:
    """Bytes at the highest point, beyond those in use when this was made."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.restart()
        self.before = self._now()

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
        return status("VmHWM") - self.before if _STATUS.exists() else None

    def _now(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device)
        return status("VmRSS") if _STATUS.exists() else 0


def release_unused(device: torch.device) -> None:
    """Give freed memory back to the system, so that it is not counted as in use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def total_memory() -> int:
    """Bytes that this machine has, or the limit of the container (control groups, version 2) that the process is in."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _container_limit()
    return there if limit is None else min(there, limit)


def available_memory(device: torch.device) -> int | None:
    """Bytes that a new allocation could have now; None where the system doesn't tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if not _MEMORY.exists():
        return None
    return int(min(_field(_MEMORY, "MemAvailable"), _container_memory()))


def _container_memory() -> float:
    """What is left of a container's limit; infinite without one."""
    limit, used = _container_limit(), _CGROUP / "memory.current"
    if limit is None or not used.exists():
        return float("inf")
    return limit - int(used.read_text(encoding="ascii"))


def _container_limit() -> int | None:
    limit = _CGROUP / "memory.max"
    text = limit.read_text(encoding="ascii").strip() if limit.exists() else ""
    return int(text) if text.isdigit() else None


def status(name: str) -> int:
    """A figure of this process in bytes, by Linux's name: `VmRSS` (in use), `VmHWM` (at most), `VmData` (its own)."""
    return _field(_STATUS, name)


def _field(path: Path, name: str) -> int:
    lines = path.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * KIB for line in lines if line.startswith(f"{name}:"))


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

"""What Linux tells of this machine's memory and of this process's (``/proc``); elsewhere it isn't known.  Without torch."""

from __future__ import annotations

import os
from pathlib import Path

KIB = 1024
STATUS = Path("/proc/self/status")
_MEMORY, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def total_memory() -> int:
    """Bytes that this machine has, or the limit of the container (control groups, version 2) that the process is in."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _container_limit()
    return there if limit is None else min(there, limit)


def free_memory() -> int | None:
    """Bytes that a new allocation could have now; None where the system doesn't tell."""
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
    return _field(STATUS, name)


def _field(path: Path, name: str) -> int:
    lines = path.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * KIB for line in lines if line.startswith(f"{name}:"))

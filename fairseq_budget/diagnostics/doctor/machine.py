"""The machine: GPU, memory, disk, compiler, speech synthesis."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM, Check, listed
from fairseq_budget.diagnostics.doctor.hosts import remedy
from fairseq_budget.diagnostics.doctor.probe import Answer, ask
from fairseq_budget.modules.compiler import find_compiler, wanted_compilers
from fairseq_budget.planning.system_memory import free_memory, total_memory

LITTLE_MEMORY, LITTLE_DISK, LITTLE_SHARED = 4 * GIB, 8 * GIB, GIB // 4
"""Below: the demo's largest models, a run's checkpoints, and the batches of a few loader processes may not fit."""
_SHARED = Path("/dev/shm")
_DRIVER = Path("/proc/driver/nvidia/version")


def look_at_torch() -> list[Check]:
    """torch and the GPUs; asks a process of its own."""
    answer = ask("fairseq_budget.diagnostics.doctor.native", "torch")
    return [judge_torch(answer), judge_gpu(answer, _DRIVER.exists() or shutil.which("nvidia-smi") is not None)]


def judge_torch(answer: Answer) -> Check:
    """Whether torch can be imported."""
    if answer.error is not None:
        return Check("torch", PROBLEM, f"can't be imported: {answer.error}", remedy(answer))
    built_for = answer.value["built_for"]
    return Check("torch", OK, f"{answer.value['version']}, built for {f'GPUs ({built_for})' if built_for else 'CPUs'}")


def judge_gpu(answer: Answer, has_driver: bool) -> Check:
    """Whether torch can use the GPUs that there are."""
    if answer.error is not None:
        return Check("GPU", NOTE, "torch can't be asked", "see torch above")
    gpus, built_for = answer.value["gpus"], answer.value["built_for"]
    broken = [f"{gpu['name']}: {gpu['error']}" for gpu in gpus if gpu["error"]]
    if broken:
        return Check("GPU", PROBLEM, listed(broken), "install the torch that fits its driver: https://pytorch.org")
    if gpus:
        named = [f"{gpu['name']} ({gpu['bytes'] / GIB:.0f} GiB)" for gpu in gpus]
        return Check("GPU", OK, listed(named), details={"gpus": gpus})
    if has_driver and not built_for:
        return Check("GPU", PROBLEM, "NVIDIA's driver is here, but torch is built for CPUs", "install torch for CUDA")
    if has_driver:
        told = "NVIDIA's driver is here, but torch sees no GPU"
        return Check("GPU", NOTE, told, "look at `nvidia-smi` and CUDA_VISIBLE_DEVICES, or train with `device=cpu`")
    return Check("GPU", NOTE, "none", "train with `device=cpu`, and mini sizes (`budget=mini`, `frontend=mel`)")


def memory() -> Check:
    """Main memory, and how much of it is free."""
    free, total = free_memory(), total_memory()
    if free is None:
        return Check("memory", OK, f"{total / GIB:.1f} GiB")
    told = f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free"
    if free >= LITTLE_MEMORY:
        return Check("memory", OK, told)
    return Check("memory", NOTE, told, "end other programs, or take a smaller `size`, or a smaller `dataset.max_tokens`")


def disk(folder: Path) -> Check:
    """Room for checkpoints where a command would be started."""
    free = shutil.disk_usage(folder).free
    told = f"{free / GIB:.1f} GiB are free at {folder}"
    if not os.access(folder, os.W_OK):
        return Check("disk", PROBLEM, f"{folder} can't be written to", "change to a folder of yours")
    if free >= LITTLE_DISK:
        return Check("disk", OK, told)
    state = NOTE if free >= GIB else PROBLEM
    return Check("disk", state, told, "start elsewhere, give another `hydra.run.dir`, or keep fewer: `task.checkpoints=0`")


def shared_memory(folder: Path = _SHARED) -> list[Check]:
    """Through it, the processes that read audio hand on their batches; containers have 64 MiB unless told otherwise."""
    if not folder.is_dir() or (free := shutil.disk_usage(folder).free) >= LITTLE_SHARED:
        return []
    told = f"{free / 2**20:.0f} MiB are free at {folder}"
    return [Check("shared memory", NOTE, told, "start the container with --shm-size=2g, or set `dataset.num_workers=0`")]


def compiler() -> Check:
    """What torch.compile calls."""
    found = find_compiler()
    if found is not None:
        return Check("C++ compiler", OK, found)
    told = f"none of {', '.join(wanted_compilers())}; only `model.compile=true` needs one"
    return Check("C++ compiler", NOTE, told, "Debian: apt install g++")


def look_at_espeak() -> Check:
    """Whether it says a word; asks a process of its own."""
    return judge_espeak(ask("fairseq_budget.diagnostics.doctor.native", "espeak"))


def judge_espeak(answer: Answer) -> Check:
    """What its answer means."""
    if answer.error is None:
        return Check("eSpeak", OK, "speaks")
    told = f"can't speak: {answer.error}; synthetic speech needs it"
    return Check("eSpeak", PROBLEM, told, "pip install --force-reinstall espeakng-loader")

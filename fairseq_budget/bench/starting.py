"""What a corpus of many utterances costs a rank before its first update: seconds, and memory of each utterance.

Its manifest and labels are made of those of a small one, again and again, so that few real files stand for many.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from fairseq_budget.bench.loader import updates_of
from fairseq_budget.bench.repeated import check_labels_fit, repeat_labels, repeat_manifest
from fairseq_budget.bench.training import build_run
from fairseq_budget.data.label_record import read_label_rate
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import OBJECTIVES

FEW = 1_000
"""Utterances of the run that the others are compared with: enough for two updates."""


@dataclass(frozen=True)
class Start:
    """How long it takes from opening the corpus to the end of the first update, and what memory it takes for good."""

    utterances: int
    seconds: float
    core_seconds: float
    own_bytes: float
    """Of this process alone, for each utterance, beside what a few utterances take."""
    loader_bytes: int
    """Of each loader process alone, on average; 0 without."""


def measure_start(
    data: Path, utterances: int, objective: str, size: str, frontend: str, workers: int, report: Callable[[str], None]
) -> Iterator[Start]:
    """Start a run on so many utterances twice, each in a process of its own: at first the manifest has no index yet, and
    labels, where the objective needs them, have no binary copy.

    Raises:
        BudgetError: there is no `/proc` that tells what memory a process has for itself, `data` lacks the labels that the
            objective needs, or there is no room for so many.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise BudgetError("this needs Linux, whose `/proc/PID/smaps_rollup` tells what memory a process has for itself")
    settings = [objective, size, f"frontend={frontend}", f"dataset.num_workers={workers}", "optimization.update_freq=[1]"]
    labelled = OBJECTIVES[objective].needs_labels
    if labelled:
        check_labels_fit(data, utterances)
        settings.append(f"task.label_rate={read_label_rate(data):g}")

    def write(folder: Path, number: int) -> Path:
        repeat_manifest(data, folder, number)
        if labelled:
            repeat_labels(data, folder, number)
        return folder

    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes,
    ):
        report("few utterances, for comparison")
        _, _, few, _ = processes.submit(_start, write(Path(folder, "few"), FEW), *settings).result()
        many = write(Path(folder, "many"), utterances)
        for which in ("first", "second"):
            report(f"{utterances:,} utterances, {which} start")
            seconds, core_seconds, own, loaders = processes.submit(_start, many, *settings).result()
            yield Start(utterances, seconds, core_seconds, (own - few) / utterances, loaders)


def _start(folder: Path, objective: str, size: str, *overrides: str) -> tuple[float, float, int, int]:
    """Seconds to the end of the first update, seconds of the processor; own bytes of this process, and of each loader."""
    run = build_run(objective, size, (f"task.data={folder}", *overrides), "cpu")
    begun, computed = time.perf_counter(), time.process_time()
    updates = updates_of(run, torch.device("cpu"))
    next(updates)
    seconds, computed = time.perf_counter() - begun, time.process_time() - computed
    next(updates)  # by now the loaders have read something
    ctypes.CDLL(None).malloc_trim(0)  # memory that is free, whether or not it was given back
    loaders = [_bytes_of(child.pid, "Private_Dirty") for child in multiprocessing.active_children()]
    return seconds, computed, _bytes_of("self", "Anonymous"), int(np.mean(loaders)) if loaders else 0


def _bytes_of(process: int | str | None, kind: str) -> int:
    """Memory of a process: `Anonymous`, which no file backs, or `Private_Dirty`, of which no other process has a share."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) * 1024

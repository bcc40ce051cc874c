"""What a corpus of many utterances costs a rank before its first update: seconds, and memory of each utterance.

Its manifest is made of the rows of a small one, again and again, so that few real files stand for many.
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
from fairseq_budget.bench.training import build_run
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError

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
    """Start a run on so many utterances twice, each in a process of its own: at first the manifest has no index yet.

    Raises:
        BudgetError: there is no `/proc` that tells what memory a process has for itself.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise BudgetError("this needs Linux, whose `/proc/PID/smaps_rollup` tells what memory a process has for itself")
    settings = (objective, size, f"frontend={frontend}", f"dataset.num_workers={workers}", "optimization.update_freq=[1]")
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes,
    ):
        report("few utterances, for comparison")
        _list(data, Path(folder, "few"), FEW)
        _, _, few, _ = processes.submit(_start, Path(folder, "few"), *settings).result()
        _list(data, Path(folder, "many"), utterances)
        for which in ("first", "second"):
            report(f"{utterances:,} utterances, {which} start")
            seconds, core_seconds, own, loaders = processes.submit(_start, Path(folder, "many"), *settings).result()
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


def _list(data: Path, folder: Path, utterances: int) -> None:
    """Write a train.tsv of `data`'s utterances, again and again until there are so many, or each once."""
    source = Manifest.read(data / "train.tsv")
    rows = [f"{row}\n" for _, block in source.rows() for row in block]
    folder.mkdir()
    with (folder / "train.tsv").open("w", encoding="utf-8") as file:
        file.write(f"{source.root.absolute()}\n")
        for written in range(0, max(utterances, len(rows)), len(rows)):
            file.writelines(rows[: max(utterances, len(rows)) - written])


def _bytes_of(process: int | str | None, kind: str) -> int:
    """Memory of a process: `Anonymous`, which no file backs, or `Private_Dirty`, of which no other process has a share."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) * 1024

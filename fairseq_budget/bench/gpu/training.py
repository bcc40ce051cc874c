"""Whole runs by fairseq's command: they go on where a signal stopped them, and two ranks agree with one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.errors import BudgetError
from fairseq_budget.recipes import recipes_dir
from fairseq_budget.records.base import FILE
from fairseq_budget.records.pretraining import PretrainingRecord

OBJECTIVES = ("wav2vec2", "tera")
"""Those that need no labels."""
UPDATES, FILES = 12, 24
LIMIT = {"cpu": 0.0, "cuda": 2e-2}
"""Relative difference of the last weights: on a GPU sums are made in another order each time."""
LONGEST = 400.0
"""Seconds of a run."""


def training(target: Target) -> Iterator[Observation]:
    """A run, and the same stopped by SIGUSR1 and given again, in each of the recipes' half precisions."""
    with tempfile.TemporaryDirectory() as folder:
        data = _data(Path(folder, "data"))
        for objective, device in zip(OBJECTIVES, target.recipes, strict=True):
            whole, stopped = (Path(folder, f"{objective}-{name}") for name in ("whole", "stopped"))
            _train(_command(data, whole, objective, device))
            made = _stop(_command(data, stopped, objective, device), stopped)
            yield Observation(
                f"{objective}, {device}: SIGUSR1", f"ended after {made} updates", f"< {UPDATES}", made < UPDATES
            )
            _train(_command(data, stopped, objective, device))
            off, most = _difference(whole, stopped), LIMIT[target.device.type]
            yield Observation(f"{objective}, {device}: gone on", f"weights {off:.1e} off", f"{most:.0e}", off <= most)


def ranks(target: Target) -> Iterator[Observation]:
    """Two ranks of one batch an update against one of two: the same ledger."""
    if target.on_gpu and torch.cuda.device_count() < 2:
        yield Observation("two ranks", f"{torch.cuda.device_count()} GPU here", "2")
        return
    device = "cuda" if target.on_gpu else "cpu_torchrun"
    with tempfile.TemporaryDirectory() as folder:
        data = _data(Path(folder, "data"))
        alone, together = Path(folder, "alone"), Path(folder, "together")
        one = "distributed_training.distributed_world_size=1"
        _train(_command(data, alone, "tera", device.removesuffix("_torchrun"), "optimization.update_freq=[2]", one))
        command = _command(data, together, "tera", device, "optimization.update_freq=[1]")
        launcher = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2"]
        _train([*launcher, _fairseq(), *command[1:]])
        spent = [_spent(run) for run in (alone, together)]
    for name in ("flops", "samples", "updates"):
        first, second = (int(each[name]) for each in spent)
        yield Observation(f"{name} of one rank and of two", f"{first:,}, {second:,}", "equal", first == second)


def _fairseq() -> str:
    return str(Path(sys.executable).with_name("fairseq-hydra-train"))


def _command(data: Path, run: Path, objective: str, device: str, *overrides: str) -> list[str]:
    settings = ["size=30", "budget=demo", "data=folder", f"device={device}", "task.budget.flops=null"]
    settings += [f"task.budget.updates={UPDATES}", "dataset.max_tokens=64000", "task.max_sample_size=32000"]
    settings += [f"task.data={data}", f"hydra.run.dir={run}", "dataset.num_workers=1", *overrides]
    return [_fairseq(), "--config-dir", str(recipes_dir()), "--config-name", objective, *settings]


def _data(folder: Path) -> Path:
    """Noise that rises and falls, and its manifests."""
    folder.mkdir()
    random, samples = np.random.default_rng(0), 3 * SAMPLE_RATE
    rows = []
    for number in range(FILES):
        wave = random.standard_normal(samples) * np.sin(np.arange(samples) / (500 + 20 * number)) / 8
        soundfile.write(folder / f"{number}.flac", wave, SAMPLE_RATE)
        rows.append(f"{number}.flac\t{samples}\n")
    for name, part in (("train", rows[4:]), ("valid", rows[:4])):
        (folder / f"{name}.tsv").write_text(f"{folder}\n{''.join(part)}")
    return folder


def _train(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    if done.returncode:
        raise BudgetError(f"a run ended with {done.returncode}: {' '.join((done.stdout + done.stderr)[-600:].split())}")


def _stop(command: Sequence[str], run: Path) -> int:
    """Ask a run to stop once it has begun; the updates that it made."""
    progress, begun = run / "hydra_train.log", time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and "begin training epoch" not in (progress.read_text() if progress.is_file() else ""):
            if time.monotonic() - begun > LONGEST:
                process.kill()
                raise BudgetError("a run didn't begin")
            time.sleep(0.05)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGUSR1)
        if code := process.wait(LONGEST):
            raise BudgetError(f"a run that was asked to stop ended with {code}")
    return int(_spent(run)["updates"])


def _spent(run: Path) -> Mapping[str, float]:
    return PretrainingRecord.read(run / FILE).amounts_spent


def _difference(first: Path, second: Path) -> float:
    """The largest of all weights' relative differences, by the norms of tensors."""
    models = [torch.load(run / "checkpoints" / "checkpoint_last.pt", map_location="cpu")["model"] for run in (first, second)]
    pairs = [(weight.float(), models[1][name].float()) for name, weight in models[0].items()]
    return max(float((one - other).norm() / one.norm().clamp(min=1e-6)) for one, other in pairs)

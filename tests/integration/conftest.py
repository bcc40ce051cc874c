"""Generated speech and a way to run the commands as a user does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from fairseq_budget.frontends.conv.defaults import ConvSettings
from fairseq_budget.recipes import recipes_dir
from tests.common import NARROW
from tests.warm_start import FAIRSEQ, Running, warm

BIN = Path(sys.executable).parent

# a narrow model, small crops and the CPU: an update takes a few hundredths of a second
SMALL = (
    "budget=demo data=folder device=cpu model.encoder_layers=2 model.encoder_embed_dim=64 model.encoder_ffn_embed_dim=96 "
    "model.encoder_attention_heads=4 "
    "task.max_sample_size=16000 task.min_sample_size=16000 dataset.max_tokens=32000 "
    "dataset.num_workers=1 common.log_interval=1"
).split()
CONVOLUTIONS = f"model.conv_feature_layers='{NARROW}'"
WIDE = f"model.conv_feature_layers='{ConvSettings().conv_feature_layers.replace('512', '256')}'"
"""Half as wide as the published ones, 64 times as much to compute: for updates that something shall happen between."""


def with_bin(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables beside those of this process, which find the commands of this Python."""
    there = {**os.environ, **environment}
    return {**there, "PATH": f"{BIN}{os.pathsep}{there['PATH']}"}


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the environment's commands; output is kept whatever happens."""
    env = with_bin(environment)
    if command[0] == "fairseq-hydra-train":
        return warm(FAIRSEQ).run(command, cwd, env)
    if command[0] == "fairseq-budget" or command[:2] == ["python", "-m"]:
        return warm().run(command, cwd, env)
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)


def check(result: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """The result of a command that should have worked."""
    assert result.returncode == 0, f"{result.args}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hidden states don't go among the caches of whoever runs the tests."""
    os.environ["FAIRSEQ_BUDGET_CACHE"] = str(tmp_path_factory.mktemp("hidden_states"))


@pytest.fixture(scope="session")
def corpus(in_common: Path) -> Path:
    """A folder with librispeech/, speech_commands/ and data/ (manifests and labels).  To be read only."""
    folder = in_common / "study"
    with FileLock(in_common / "study.lock"):
        if not (folder / "data" / "labels.json").exists():
            _make_corpus(folder)
    return folder


def _make_corpus(folder: Path) -> None:
    folder.mkdir()
    speech = ("--hours", "0.04", "--dev-hours", "0.01", "--speakers", "4", "--keyword-speakers", "16")
    check(run(["fairseq-budget", "corpus", "synthetic", str(folder), *speech], folder))
    train, valid = folder / "librispeech" / "train-clean", folder / "librispeech" / "dev-clean"
    check(run(["fairseq-budget", "manifest", str(train), "--valid-root", str(valid), "--out", "data"], folder))
    check(run(["fairseq-budget", "labels", "data", "--clusters", "20", "--n-init", "2"], folder))


class Training:
    """fairseq-hydra-train in a folder of its own."""

    def __init__(self, data: Path, folder: Path, objective: str) -> None:
        self.data, self.folder, self.objective = data, folder, objective

    def command(self, *overrides: str) -> list[str]:
        recipe = ["--config-dir", str(recipes_dir()), "--config-name", self.objective]
        narrow = [] if "frontend=mel" in overrides else [CONVOLUTIONS]
        return [*recipe, *SMALL, *narrow, f"task.data={self.data}", f"hydra.run.dir={self.folder}", *overrides]

    def run(self, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(["fairseq-hydra-train", *self.command(*overrides)], self.folder.parent, **environment)

    def start(self, *overrides: str, **environment: str) -> Running:
        """A run that goes on while the test does, in a session of its own: all its processes can be killed at once."""
        return warm(FAIRSEQ).start(
            ["fairseq-hydra-train", *self.command(*overrides)], self.folder.parent, with_bin(environment)
        )

    def start_cold(self, *overrides: str) -> subprocess.Popen[bytes]:
        """The same from the first line that Python reads."""
        return subprocess.Popen(
            ["fairseq-hydra-train", *self.command(*overrides)],
            cwd=self.folder.parent,
            env=with_bin({}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run_and_signal(self, updates: int, number: signal.Signals, *overrides: str, **environment: str) -> int:
        """Start a run and send it a signal once so many updates are in its log; its exit code.

        SIGKILL also goes to the processes that load data.
        """
        with self.start(*overrides, **environment) as process:
            while process.poll() is None and self.updates_logged() < updates:
                time.sleep(0.02)
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            return process.wait()

    def updates_logged(self) -> int:
        return len(self.logged("train_inner"))

    def wait_for_log(self, process: Running | subprocess.Popen[bytes], text: str) -> None:
        """Until the run's log is there and holds a text, or the process has ended."""
        while process.poll() is None and not (self.log_file.exists() and text in self.log):
            time.sleep(0.02)

    def torchrun(self, workers: int, *overrides: str) -> subprocess.CompletedProcess[str]:
        launcher = ["torchrun", "--standalone", "--nproc-per-node", str(workers), str(BIN / "fairseq-hydra-train")]
        return run([*launcher, *self.command(*overrides)], self.folder.parent, OMP_NUM_THREADS="1")

    @property
    def record(self) -> dict[str, Any]:
        return json.loads((self.folder / "record.json").read_text())

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "checkpoint_last.pt"

    @property
    def log_file(self) -> Path:
        return self.folder / "hydra_train.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def logged(self, tag: str) -> list[dict[str, float]]:
        """The JSON lines of fairseq's log with a tag, as numbers."""
        found = [line.partition(f"[{tag}][INFO] - ")[2] for line in self.log.splitlines()]
        return [{k: float(v) for k, v in json.loads(text).items()} for text in found if text]


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return int(server.getsockname()[1])


def spawned() -> tuple[str, ...]:
    """Two CPU ranks that fairseq's command starts itself, as it starts one for each GPU."""
    settings = {
        "world_size": "2",
        "backend": "gloo",
        "init_method": f"tcp://localhost:{free_port()}",
    }
    return ("device=cpu_torchrun", *(f"distributed_training.distributed_{name}={value}" for name, value in settings.items()))

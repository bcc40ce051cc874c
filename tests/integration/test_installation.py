"""`run.sh` where no package index is reached: what it refuses, and an installation from a folder that it has filled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import check

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
NO_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull}


def call(root: Path, *arguments: str, environment: dict[str, str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    told = {key: value for key, value in os.environ.items() if key not in ("WHEELS", "HASHES")} | environment
    command = ["bash", str(root / "run.sh"), *arguments]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["wheels"], {}, "./run.sh wheels needs a folder to fill"),
        (["--stop-stage", "0"], {"WHEELS": "nowhere"}, "WHEELS=nowhere is not a folder: fill one with ./run.sh wheels"),
        (["--stop-stage", "0"], {"WHEELS": ".", "HASHES": "yes"}, "HASHES goes with an index, and not with WHEELS"),
    ],
)
def test_what_cannot_be_installed_from(arguments: list[str], environment: dict[str, str], told: str) -> None:
    refused = call(ROOT, *arguments, environment=environment)
    assert refused.returncode == 2
    assert told in refused.stderr


@pytest.mark.slow
def test_it_installs_from_a_folder_of_wheels_alone(tmp_path: Path) -> None:
    wheels, copy = tmp_path / "wheels", tmp_path / "copy"
    check(call(ROOT, "wheels", str(wheels), timeout=1200, environment={"VENV": sys.prefix}))
    left_out = shutil.ignore_patterns(".*", "__pycache__", "demo", "study-*")
    shutil.copytree(ROOT, copy, ignore=left_out)
    python = Path(sys.executable).resolve()  # of which this environment was made
    there = {"WHEELS": str(wheels), "VENV": str(copy / "venv"), "PYTHON": str(python), **NO_INDEX}
    check(call(copy, "--stop-stage", "0", "--out", str(tmp_path / "out"), timeout=1200, environment=there))
    doctor = [str(copy / "venv" / "bin" / "fairseq-budget"), "doctor"]
    told = check(subprocess.run(doctor, cwd=copy, capture_output=True, text=True, timeout=300, check=False)).stdout
    assert "0 problems" in told

"""The whole command, as a user runs it: here, and in environments that are really broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fairseq_budget.corpora.superb.places import PLACES
from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM
from fairseq_budget.diagnostics.doctor.hosts import HOSTS, judge_host
from fairseq_budget.diagnostics.doctor.probe import ask
from fairseq_budget.plugin import compat

pytestmark = pytest.mark.integration

HIDING = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
"""Python runs a module `sitecustomize` of the path when it starts: it reaches the processes that the command starts, too."""

ANOTHER_RELEASE = """
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

class Another(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "fairseq.trainer":
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            del module.Trainer.clip_grad_norm
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Another())
"""
CLEAN = {name: value for name, value in os.environ.items() if name not in {*PLACES, "SUPERB", "FAIRSEQ_BUDGET_MANIFESTS"}}


def doctor(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fairseq_budget", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**CLEAN, **environment}, timeout=300)


def by_subject(answer: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {check["subject"]: check for check in json.loads(answer.stdout)["checks"]}


def test_a_whole_installation(tmp_path: Path) -> None:
    """The one that runs this test: its fixes apply, and its packages are there."""
    (tmp_path / "audio" / "speech_commands").mkdir(parents=True)
    answer = doctor("--json", cwd=tmp_path, SUPERB=str(tmp_path / "audio"))
    checks = by_subject(answer)
    problems = {subject for subject, check in checks.items() if check["state"] == PROBLEM}
    assert problems <= {"GPU", "disk"}, "of the machine, not of the installation"
    assert (answer.returncode, json.loads(answer.stdout)["problems"]) == (bool(problems), len(problems))
    assert {checks[name]["state"] for name in ("Python", "torch", "fairseq", "s3prl", "eSpeak", "packages, train")} == {OK}
    assert checks["fairseq"]["details"]["fixes"] == compat.apply()
    assert checks["$SPEECH_COMMANDS"]["found"] == str(tmp_path / "audio" / "speech_commands")
    assert checks["$IEMOCAP"]["state"] == NOTE and "https://sail.usc.edu/iemocap/" in checks["$IEMOCAP"]["remedy"]


def test_without_torch_and_the_hosts(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDING.format(names={"torch", "fairseq", "fairseq_cli", "s3prl"}))
    answer = doctor(cwd=tmp_path, PYTHONPATH=str(tmp_path), SPEECH_COMMANDS="nowhere")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stdout + answer.stderr
    problems = [line for line in answer.stdout.splitlines() if line.startswith("problem")]
    assert [line.split()[1] for line in problems] == ["torch", "fairseq", "s3prl", "$SPEECH_COMMANDS"]
    assert problems[0].endswith("ModuleNotFoundError: No module named 'torch': pip install torch")
    assert "`nowhere` is no folder: set SPEECH_COMMANDS to the folder" in problems[3]
    assert answer.stdout.splitlines()[-1].startswith("4 problems, ")


def test_another_release_of_fairseq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(ANOTHER_RELEASE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = judge_host(HOSTS[0], "0.99", ask(HOSTS[0].module))
    assert check.state == PROBLEM
    assert "`ask_the_task`, which fairseq needs, doesn't fit the installed packages (AttributeError: " in check.found


def test_a_host_that_nobody_installed_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDING.format(names={"fairseq", "fairseq_cli", "s3prl"}))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for host, extra in zip(HOSTS, ("train", "superb"), strict=True):
        check = judge_host(host, None, ask(host.module))
        assert (check.state, check.remedy) == (NOTE, f"pip install 'fairseq-budget[{extra}]'")


def test_a_package_that_a_host_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDING.format(names={"omegaconf"}))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = judge_host(HOSTS[0], "0.12.3.1", ask(HOSTS[0].module))
    assert (check.state, check.remedy) == (PROBLEM, "pip install 'fairseq-budget[train]'")
    assert "No module named 'omegaconf'" in check.found


def test_a_crash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crashing.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ask("crashing").error == "ended by SIGABRT"

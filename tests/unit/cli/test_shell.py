"""What a shell's user expects of any command: its version, and words that are completed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairseq_budget import __version__

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
COMPLETE = """
source "$HOME/.bash_completions/fairseq-budget.sh"
COMP_WORDS=(fairseq-budget {words})
COMP_CWORD={place}
_fairseq_budget_completion fairseq-budget
echo "${{COMPREPLY[@]}}"
"""


def shell(command: str, home: Path) -> str:
    environment = {**os.environ, "HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str, tmp_path: Path) -> None:
    assert shell(f"fairseq-budget {option}", tmp_path) == f"fairseq-budget {__version__}\n"


def test_completion_is_installed_and_completes(tmp_path: Path) -> None:
    shell("fairseq-budget --install-completion bash && true", tmp_path)  # bash stays, and is found among its parents
    assert ".bash_completions/fairseq-budget.sh" in (tmp_path / ".bashrc").read_text()
    assert shell(COMPLETE.format(words="stu", place=1), tmp_path).split() == ["study"]
    assert set(shell(COMPLETE.format(words="corpus li", place=2), tmp_path).split()) == {"librispeech"}
    assert "--objective" in shell(COMPLETE.format(words="plan --ob", place=2), tmp_path).split()

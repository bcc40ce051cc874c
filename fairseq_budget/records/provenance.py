"""Where a result comes from: the software and the commit."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from fairseq_budget import __version__

ROOT = Path(__file__).parents[2]


def git_revision() -> str | None:
    """The commit that this package is run from; None outside a checkout of it, and where there is no git to ask."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def given_command() -> str:
    """What this process was started with, as a line for a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of this project, of Python, and of the packages (as they're called on the index) that numbers depend on."""
    return {
        "fairseq_budget": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }

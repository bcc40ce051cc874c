"""Records of results, and where a result comes from."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fairseq_budget import __version__
from fairseq_budget.files import atomic

ROOT = Path(__file__).parents[1]


def git_revision() -> str | None:
    """The commit that this package is run from; None outside a checkout of it."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of this project, of Python, and of the packages (as they're called on the index) that numbers depend on."""
    return {
        "fairseq_budget": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def write_record(path: Path, record: dict[str, Any]) -> Path:
    """Write a record with its provenance, all or nothing."""
    with atomic(path) as partial:
        partial.write_text(json.dumps({**record, "git": git_revision()}, indent=1) + "\n", encoding="utf-8")
    return path

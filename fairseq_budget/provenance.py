"""Where a result comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_revision() -> str | None:
    """Revision of the checkout that this package runs from, or None when it doesn't run from one."""
    folder = Path(__file__).parent
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()

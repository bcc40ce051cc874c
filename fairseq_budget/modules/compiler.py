"""The C++ compiler that torch.compile calls on a CPU.  Without torch."""

from __future__ import annotations

import os
import shutil

COMPILERS = ("g++", "clang++", "c++")


def wanted_compilers() -> list[str]:
    """The one that CXX names, or those that are looked for."""
    return [os.environ["CXX"]] if os.environ.get("CXX") else list(COMPILERS)


def find_compiler() -> str | None:
    """Where the first of them lies; None if none is on the PATH."""
    return next(filter(None, map(shutil.which, wanted_compilers())), None)

"""In place of ``eval`` in s3prl's modules: names of its own classes, attributes of its own objects, and literals.

s3prl evaluates texts to choose a class (``modelrc.select``), a method or a number; the texts may come out of a recipe or of
a checkpoint that somebody else made.  What they say is looked up here, and nothing is run.
"""

from __future__ import annotations

import importlib.machinery
import re
import sys
import types
from collections.abc import Sequence
from typing import Any

from fairseq_budget.arithmetic.literal import read_literal
from fairseq_budget.errors import BudgetError, ConfigError

OWN = ("s3prl.", "torch.nn.", "torch.optim.", "torchaudio.compliance.")
"""How the modules begin whose classes and functions a text may name."""
CONSTANTS = {"math.inf": float("inf"), "-math.inf": float("-inf")}
_PATH = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*|\[\d+\])*")


def evaluate(text: Any) -> Any:
    """What a text of s3prl's names, in the function that asks.

    Raises:
        BudgetError: it names nothing of s3prl's, and isn't a literal either.
    """
    if not isinstance(text, str):
        raise BudgetError(f"`{str(text)[:80]}` stands where s3prl wants a name or a value as text: correct the recipe")
    if text in CONSTANTS:
        return CONSTANTS[text]
    if _PATH.fullmatch(text) and text not in ("True", "False", "None"):
        return _named(text, sys._getframe(1))
    try:
        return read_literal(text)
    except ConfigError as error:
        raise BudgetError(
            f"s3prl would run `{text[:80]}` as code: a recipe and a checkpoint give names and values"
        ) from error


def _named(path: str, frame: types.FrameType) -> Any:
    first, *rest = re.findall(r"\w+", path)
    own = frame.f_locals.get(first)
    value = own if first in frame.f_locals else frame.f_globals.get(first)
    for part in rest:
        value = value[int(part)] if part.isdigit() else getattr(value, part, None)
    is_own_object = bool(rest) and own is not None and f"{type(own).__module__}.".startswith("s3prl")
    if value is None or not (is_own_object or _is_own(value)):
        raise BudgetError(f"s3prl has no `{path[:80]}` of its own here: correct the recipe (`select`, `name`, `pooling`)")
    return value


def _is_own(value: Any) -> bool:
    return isinstance(value, type | types.FunctionType) and f"{value.__module__}.".startswith(OWN)


class Guard:
    """An import hook that gives every module of s3prl's the ``eval`` above before it is run."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module as Python finds it."""
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name.startswith("s3prl.") else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def guarded(module: types.ModuleType) -> None:
            module.eval = evaluate
            execute(module)

        spec.loader.exec_module = guarded
        return spec


def guard() -> None:
    """Let no module of s3prl's evaluate code, whether it was imported before or is imported later."""
    for name, module in list(sys.modules.items()):
        if name.startswith("s3prl.") and isinstance(module, types.ModuleType):
            module.eval = evaluate
    if Guard not in sys.meta_path:
        sys.meta_path.insert(0, Guard)

"""What turns a waveform into frames: a folder for each front end, found by itself.

A folder has three files: ``defaults.py`` (settings; a `FRONTEND`), ``cost.py`` (frames, parameters and FLOPs) and
``model.py`` (a `MODEL`, a subclass of :class:`~fairseq_budget.frontends.module.FrontendModule`).  The first two need the
standard library alone, and so does this registry: torch is imported when a model is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from fairseq_budget.arithmetic.frontend import FrontendCost
from fairseq_budget.errors import unknown_name
from fairseq_budget.frontends.frontend import Frontend

if TYPE_CHECKING:
    from fairseq_budget.frontends.module import FrontendModule

DEFAULT = "conv"
"""The papers'."""


def _find() -> dict[str, Frontend]:
    others = {module.name for module in iter_modules(__path__) if module.ispkg} - {DEFAULT}
    return {name: import_module(f"{__name__}.{name}.defaults").FRONTEND for name in (DEFAULT, *sorted(others))}


FRONTENDS: dict[str, Frontend] = _find()


def get_frontend(name: str) -> Frontend:
    """The front end called `name`; an unknown name is an error that lists the known ones."""
    if name not in FRONTENDS:
        raise unknown_name("front end", name, FRONTENDS)
    return FRONTENDS[name]


def build_frontend(cost: FrontendCost) -> FrontendModule:
    """The module whose frames `cost` counts; imports torch."""
    built: FrontendModule = import_module(f"{__name__}.{cost.name}.model").MODEL(cost)
    return built

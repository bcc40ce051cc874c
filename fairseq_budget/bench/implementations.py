"""The table of implementations: this project, stock fairseq, and what else is installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fairseq_budget.bench.implementation import Implementation
from fairseq_budget.errors import BudgetError, unknown_name
from fairseq_budget.frontends import DEFAULT

OURS = "fairseq-budget"
_CLASSES = {
    OURS: ("ours", "Ours"),
    "fairseq": ("stock", "Stock"),
    "transformers": ("huggingface", "HuggingFace"),
    "torchaudio": ("torch_audio", "TorchAudio"),
    "minimal_hubert": ("minimal", "MinimalHubert"),
}
"""Module and class of each; the class is named by the package that it needs."""
PEERS = tuple(name for name in _CLASSES if name != OURS)


def implementation_class(name: str) -> type[Implementation]:
    """The class of an implementation.

    Raises:
        BudgetError: an unknown name, or one whose package isn't installed.
    """
    if name not in _CLASSES:
        raise unknown_name("implementation", name, _CLASSES)
    if name != OURS and find_spec(name) is None:
        raise BudgetError(f"the package {name} is not installed: install it, or leave it out of `--peers`")
    module, kind = _CLASSES[name]
    return getattr(import_module(f"fairseq_budget.bench.{module}"), kind)


def peers_of(objective: str, frontend: str = DEFAULT) -> list[str]:
    """The peers that have this objective on this front end, and are installed."""
    installed = {name: implementation_class(name) for name in PEERS if find_spec(name) is not None}
    return [name for name, kind in installed.items() if objective in kind.objectives and frontend in kind.frontends]

"""Settings that aren't there, with those near them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import get_objective, of_model
from fairseq_budget.recipes import SIZE_GROUP, recipes_dir

LAUNCHER = "hydra.launcher."


def groups() -> list[str]:
    """What a recipe chooses by name: `size`, `budget`, ..."""
    return [SIZE_GROUP, *sorted(folder.name for folder in recipes_dir().iterdir() if folder.is_dir())]


def recipe_names(folder: Path) -> list[str]:
    """The recipes of a folder; none if it isn't one of recipes for training."""
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    return [name for name in names if name != "base"] if "base" in names else []


def setting_names(settings: Any, above: str = "") -> Iterator[str]:
    """Settings by the names that they have on the command line."""
    for key, value in settings.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from setting_names(value, f"{above}{key}.")


def unknown_setting(name: str, known: Iterable[str], model: str | None = None) -> str:
    """What to say of a setting that a recipe doesn't have; `known` are those it has, `model` its model by fairseq's name."""
    is_hydras, known = name.startswith("hydra."), list(known)
    is_elsewhere = any(other.endswith(f".{name.rpartition('.')[2]}") for other in known)
    if _has_by_default(name, model) and not is_elsewhere:  # as labels' are the task's, which fills in the model's
        return f"this recipe leaves `{name}` at its default: a + before it sets it, `+{name}=...`"
    own = [other for other in known if other.startswith("hydra.") == is_hydras]
    near = near_names(name, own, [] if is_hydras else groups())
    if name.startswith(LAUNCHER) and f"{LAUNCHER}timeout_min" not in own:  # submitit's launchers have it
        return f"this launcher has no setting `{name}`: Slurm's settings need `cluster=slurm`, and `-m`"
    return f"this recipe has no setting `{name}`; near it: {near_text(near)}"


def near_names(name: str, settings: Iterable[str], chosen: Iterable[str] = ()) -> list[str]:
    """The settings that `name` may mean, and the groups whose names are like its."""
    settings, last = list(settings), name.rpartition(".")[2].lower()
    found = [f"{group}=" for group in get_close_matches(name.lower(), list(chosen), 1, 0.75)]
    found += [other for other in settings if other.rpartition(".")[2].lower() == last]
    return list(dict.fromkeys([*found, *get_close_matches(name, settings, 3, 0.75)]))


def near_text(near: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(f"`{other}`" for other in near) or "none; `--cfg job` shows all"


def _has_by_default(name: str, model: str | None) -> bool:
    section, _, key = name.partition(".")
    if section != "model" or model is None:
        return False
    try:
        return key in get_objective(of_model(model).name).config.__dataclass_fields__
    except BudgetError:
        return False

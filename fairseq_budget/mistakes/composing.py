"""What keeps Hydra from composing a recipe."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairseq_budget.errors import unknown_name
from fairseq_budget.mistakes.settings import groups, recipe_names, setting_names, unknown_setting
from fairseq_budget.mistakes.values import wrong_value
from fairseq_budget.recipes import recipes_dir

_NOT_FOUND = re.compile(r"Could not find '(?P<group>[^'\n]*)/(?P<name>[^/'\n]*)'")
_NO_MATCH = re.compile(r"Could not override '(?P<group>[^']*)'\. No match")
_MERGING = re.compile(r"Error merging override (?P<override>.*)")
_SEVERAL = re.compile(r"Ambiguous value for argument '(?P<override>.*)'")
_TWICE = re.compile(r"(?P<group>\S+) appears more than once in the final defaults list")


class Told(ConfigCompositionException):
    """A composition that failed, in words for the user."""


def name_what_is_wrong() -> None:
    """Have Hydra's loader raise :class:`Told`."""
    if not hasattr(ConfigLoaderImpl.load_configuration, "__wrapped__"):
        loader, parser = cast(Any, ConfigLoaderImpl), cast(Any, OverridesParser)
        loader.load_configuration = _load(loader.load_configuration)
        loader._apply_overrides_to_config = staticmethod(_apply(loader._apply_overrides_to_config))
        parser.parse_overrides = _parse(parser.parse_overrides)


def _parse(original: Any) -> Any:
    """Sizes are called 30 or 0.5; Hydra reads `size=30` as a number and refuses it as the name of a group's option.  What is
    chosen by name is a name: `budget=2e17` and `size=null` are unknown ones."""

    @functools.wraps(original)
    def parse_overrides(self: OverridesParser, overrides: list[str]) -> list[Any]:
        parsed, chosen = original(self, overrides), groups()
        for override in parsed:
            is_name = override.key_or_group in chosen and not override.is_delete()
            if is_name and isinstance(override._value, int | float | None):
                override._value = override.input_line.partition("=")[2] if override.input_line else str(override._value)
        return parsed

    return parse_overrides


def _load(original: Any) -> Any:
    @functools.wraps(original)
    def load_configuration(
        self: ConfigLoaderImpl, config_name: str | None, overrides: list[str], *args: Any, **settings: Any
    ) -> Any:
        refuse_what_is_no_recipe(self, config_name, overrides)
        try:
            return original(self, config_name, overrides, *args, **settings)
        except Told:
            raise
        except HydraException as error:
            told = explain(error)
            if told is None:
                raise
            raise Told(told) from error

    return load_configuration


def _apply(original: Any) -> Any:
    """Of a misspelt setting Hydra says that it is not in struct, and advises to append it, though nothing would read it."""

    @functools.wraps(original)
    def apply_overrides(overrides: list[Any], cfg: Any) -> None:
        known = list(setting_names(OmegaConf.to_container(cfg, resolve=False)))
        model = OmegaConf.select(cfg, "model._name", default=None, throw_on_resolution_failure=False)
        for override in overrides:
            name = override.key_or_group
            # nothing reads a section that fairseq doesn't have
            if override.is_add() and "user_dir" in (cfg.get("common") or {}) and name.partition(".")[0] not in known:
                raise Told(unknown_setting(name, known))
        try:
            original(overrides, cfg)
        except ConfigCompositionException:
            changed = [override.key_or_group for override in overrides if not (override.is_add() or override.is_delete())]
            for name in changed:
                if name not in known:
                    raise Told(unknown_setting(name, known, model)) from None
            raise

    return apply_overrides


def refuse_what_is_no_recipe(loader: Any, config_name: str | None, overrides: Sequence[str]) -> None:
    """fairseq gives its own defaults the name of the recipe that is asked for: a recipe that isn't there is found, empty.

    Raises:
        Told: no recipe of that name, or none is named.
    """
    folders = [Path(source.path) for source in loader.repository.get_sources() if source.scheme() == "file"]
    name, names = (config_name or "").removesuffix(".yaml"), [name for folder in folders for name in recipe_names(folder)]
    own = [override for override in overrides if not override.startswith("hydra.")]
    if name == "config" and (names or not own):  # fairseq's own, which `--config-name` would replace
        raise Told(f"no recipe is named: add {_how(names)}")
    loaded = loader.repository.load_config(config_path=config_name) if config_name else None
    kind = getattr(None if loaded is None else OmegaConf.get_type(loaded.config), "__name__", "")
    is_empty = loaded is not None and loaded.path.startswith("structured://") and kind == "FairseqConfig"
    if is_empty or (name == "base" and names):
        raise Told(f"no recipe `{name}`: give {_how(names)}")


def _how(names: Sequence[str]) -> str:
    if names:
        return f"`--config-name` with one of {', '.join(names)}"
    return f"`--config-dir {recipes_dir()}`, and `--config-name` with one of {', '.join(recipe_names(recipes_dir()))}"


def explain(error: HydraException) -> str | None:
    """An error of Hydra's in words for the user; None for one that nothing is known of."""
    said = str(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, MissingConfigException):
        return _missing(said, error)
    if merging := _MERGING.search(said):
        return _wrong(merging["override"], error.__cause__)
    if several := _SEVERAL.search(said):
        return f"`{several['override']}` has several values: add `-m` in front of the others for a run of each"
    if twice := _TWICE.search(said):
        return f"`{twice['group']}` is chosen by the recipe already: leave out the + before it"
    if no_match := _NO_MATCH.search(said):
        group = no_match["group"]
        return f"`{group}` isn't chosen by name: set one of its settings, as in `{group}.NAME=...`; `--cfg job` shows all"
    return None


def _missing(said: str, error: MissingConfigException) -> str | None:
    found = _NOT_FOUND.search(said)
    if found is None:
        return f"no recipe `{error.missing_cfg_file}`: give its name alone, {_how([])}" if "primary config" in said else None
    told = str(unknown_name(found["group"], found["name"], error.options or ()))
    is_amount = found["group"] == "budget" and found["name"][:1].isdigit()
    return f"{told}; an amount is `task.budget.flops={found['name']}`" if is_amount else told


def _wrong(override: str, cause: BaseException | None) -> str | None:
    name, _, value = override.partition("=")
    name = name.lstrip("+")
    return wrong_value(name, value, cause) if isinstance(cause, OmegaConfBaseException) else None


def _unreadable(override: str) -> str:
    name, equals, value = override.partition("=")
    if not equals:
        return f"`{override}` is no setting: give NAME=VALUE; of a value with blanks, 'NAME=\"VALUE\"' with all quotes"
    if value.startswith("~"):
        return f"`{override}`: the shell replaces no ~ inside a word: give {name}=$HOME{value[1:]}"
    return f"`{override}` can't be read: put the value into two pairs of quotes, '{name}=\"{value}\"'"

"""Imported by Hydra when it starts: makes the recipes composable under an unmodified fairseq.

It registers the resolvers that recipes use and the `size` group, made from the size table.  Importing the package from
within fairseq also applies the compat fixes, which have to be in place before fairseq sets up its workers.
"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from fairseq_budget import recipes

TRAINING_COMMANDS = ("fairseq-hydra-train", "hydra_train.py")


def register() -> None:
    """Make resolvers and the `size` group known to Hydra."""
    user_dir = str(Path(recipes.__file__).parent)
    OmegaConf.register_new_resolver("fairseq_budget.user_dir", lambda: user_dir, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.setting", recipes.setting, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.steps_per_update", recipes.steps_per_update, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.port", recipes.port, replace=True)
    for name, node in recipes.size_group().items():
        ConfigStore.instance().store(
            group=recipes.SIZE_GROUP, name=name, node=node, package="_global_", provider="fairseq_budget"
        )


def accept_numbers_as_sizes() -> None:
    """Sizes are called 30 or 0.5; Hydra reads `size=30` as a number and refuses it as the name of a group's option.  After
    parsing, the number of this one group becomes its name again."""
    parse = OverridesParser.parse_overrides
    if hasattr(parse, "__wrapped__"):
        return

    @functools.wraps(parse)
    def parse_overrides(self: OverridesParser, overrides: list[str]) -> list[Any]:
        return [
            dataclasses.replace(override, _value=str(override.value()))
            if override.key_or_group == recipes.SIZE_GROUP and isinstance(override.value(), int | float)
            else override
            for override in parse(self, overrides)
        ]

    OverridesParser.parse_overrides = parse_overrides


def name_settings_nearby() -> None:
    """Of a misspelt setting Hydra says that it is not in struct, and advises to append it, though nothing would read it."""
    apply = ConfigLoaderImpl._apply_overrides_to_config
    if hasattr(apply, "__wrapped__"):
        return

    @functools.wraps(apply)
    def apply_overrides(overrides: list[Any], cfg: Any) -> None:
        try:
            apply(overrides, cfg)
        except ConfigCompositionException:
            known = list(_names(OmegaConf.to_container(cfg, resolve=False)))
            changed = [override.key_or_group for override in overrides if not (override.is_add() or override.is_delete())]
            for name in changed:
                if name not in known:
                    raise ConfigCompositionException(_unknown_setting(name, known)) from None
            raise

    ConfigLoaderImpl._apply_overrides_to_config = staticmethod(apply_overrides)


def _names(settings: Any, above: str = "") -> Iterator[str]:
    """Settings by the names that they have on the command line."""
    for key, value in settings.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from _names(value, f"{above}{key}.")


def _unknown_setting(name: str, known: list[str]) -> str:
    own = [other for other in known if not other.startswith("hydra.")]
    last = name.rpartition(".")[2]
    near = [other for other in own if other.rpartition(".")[2] == last] + get_close_matches(name, own, 3, 0.75)
    told = ", ".join(f"`{other}`" for other in dict.fromkeys(near)) or "none; `--cfg job` shows all"
    return f"this recipe has no setting `{name}`; near it: {told}"


def take_note_of_early_signals() -> None:
    """fairseq's command needs seconds before its task exists; a request to stop that comes meanwhile isn't lost."""
    is_joblibs = type(multiprocessing.current_process()).__name__ == "LokyProcess"
    if Path(sys.argv[0]).name in TRAINING_COMMANDS and ("fairseq" in sys.modules or is_joblibs):
        from fairseq_budget.plugin.run.signals import early

        early.watch()


class FairseqBudgetPlugin(SearchPathPlugin):
    """Changes no search path.  Hydra's launchers hand its plugins on to the processes that they start; because this is one,
    those import this module before they compose a run."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra when it starts."""


register()
accept_numbers_as_sizes()
name_settings_nearby()
take_note_of_early_signals()

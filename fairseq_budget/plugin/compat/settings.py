"""fairseq's settings: what is wrong with them is said before anything is loaded."""

from __future__ import annotations

import functools
from typing import Any

from fairseq.dataclass import utils
from fairseq.distributed import utils as distributed
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from fairseq_budget.mistakes.settings import near_names, near_text
from fairseq_budget.mistakes.values import value_at, wrong_value
from fairseq_budget.plugin.errors import UserError, user_errors
from fairseq_budget.plugin.run.first_look import check_settings


def name_wrong_settings() -> bool:
    """Where a recipe's section meets the dataclass of its `_name`, a wrong setting ends in a page of tracebacks that doesn't
    say whose setting it is."""
    if not hasattr(utils.merge_with_parent, "__wrapped__"):
        utils.merge_with_parent = _merge(utils.merge_with_parent)
    return True


def _merge(original: Any) -> Any:
    @functools.wraps(original)
    def merge_with_parent(dc: Any, cfg: Any, *args: Any, **settings: Any) -> Any:
        try:
            return original(dc, cfg, *args, **settings)
        except OmegaConfBaseException as error:
            raise UserError(_told(dc, cfg, error)) from error

    return merge_with_parent


def _told(dc: Any, cfg: Any, error: OmegaConfBaseException) -> str:
    section, key = cfg._key() or "", str(error.full_key or "")
    if isinstance(error, ConfigKeyError):
        known = [f"{section}.{name}" for name in dc.__dataclass_fields__ if name != "_name"]
        near = near_names(f"{section}.{key}", known) or known
        return f"the {section} `{cfg.get('_name')}` has no setting `{section}.{key}`, but {near_text(near)}"
    if not key:  # a section below this one, of which OmegaConf tells the value alone
        key = next((str(name) for name in cfg if str(error).splitlines()[0].endswith(f"value: {cfg.get(name)}")), "")
    return wrong_value(f"{section}.{key}", value_at(cfg, key), error)


def look_at_settings_first() -> bool:
    """A name that nothing is registered by, or a folder that isn't there, ends in a traceback once models are built."""
    if not getattr(distributed.call_main, "looks_first", False):
        distributed.call_main = _look_first(distributed.call_main)
    return True


def _look_first(original: Any) -> Any:
    @functools.wraps(original)
    def call_main(cfg: Any, *args: Any, **settings: Any) -> Any:
        with user_errors():
            check_settings(cfg)
        return original(cfg, *args, **settings)

    call_main.looks_first = True  # type: ignore[attr-defined]
    return call_main

"""A light ``s3prl.hub``: our upstreams and s3prl's filter banks at once, s3prl's other two hundred when asked for.

s3prl's own hub imports every bundled model and the packages behind them to offer any; most runs need one.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS, WITHOUT_CHECKPOINT

NAME = "s3prl.hub"


class LightHub(types.ModuleType):
    """The module that s3prl looks upstreams up in by attribute."""

    def __init__(self) -> None:
        super().__init__(NAME, __doc__)
        baseline = importlib.import_module("s3prl.upstream.baseline.hubconf")
        self.__dict__.update({name: f for name, f in vars(baseline).items() if not name.startswith("_") and callable(f)})
        self.__dict__.update(UPSTREAMS)

    def __getattr__(self, name: str) -> Any:
        """An upstream that is not here: from s3prl's own hub, imported now.

        Raises:
            BudgetError: that hub cannot be imported here, or has no such upstream either.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        everything = full_hub(wanted=name)
        if hasattr(everything, name):
            return getattr(everything, name)
        near = difflib.get_close_matches(name, {*dir(self), *dir(everything)}, n=5)
        raise BudgetError(f"no upstream `{name}`: choose one of {', '.join(near or UPSTREAMS)}")

    def options(self, only_registered_ckpt: bool = False) -> list[str]:
        """What ``S3PRLUpstream.available_names`` lists: every name of s3prl's own hub and of this one.

        With `only_registered_ckpt`, those that can be had without naming a checkpoint.  Where s3prl's own hub can't be
        imported, these are the names that work: its filter banks and ours.
        """
        ours = WITHOUT_CHECKPOINT if only_registered_ckpt else UPSTREAMS
        try:
            names = full_hub(wanted="all").options(only_registered_ckpt)
        except BudgetError:
            names = [name for name in dir(self) if name not in UPSTREAMS]
        return [*names, *ours]

    def __dir__(self) -> list[str]:
        return sorted(name for name in vars(self) if not name.startswith("_"))


def install() -> LightHub:
    """Make the light hub what ``from s3prl import hub`` gives, and has given to s3prl's runner; returns it.

    Raises:
        BudgetError: s3prl's own hub has one of our names.
    """
    present = sys.modules.get(NAME)
    if isinstance(present, LightHub):
        return _shown_to_runner(present)
    taken = [name for name in UPSTREAMS if hasattr(present, name)] if present is not None else []
    if taken:
        raise BudgetError(f"s3prl already has upstreams called {', '.join(taken)}: another plugin took these names")
    hub = LightHub()
    sys.modules[NAME] = hub
    importlib.import_module("s3prl").hub = hub
    return _shown_to_runner(hub)


def _shown_to_runner(hub: LightHub) -> LightHub:
    """A runner that was imported before has taken another hub."""
    if "s3prl.downstream.runner" in sys.modules:
        sys.modules["s3prl.downstream.runner"].hub = hub
    return hub


def full_hub(wanted: str) -> types.ModuleType:
    """s3prl's own hub under another module name; BudgetError, with the reason, if this environment cannot import it."""
    name = "s3prl._full_hub"
    if name in sys.modules:
        return sys.modules[name]
    path = Path(importlib.import_module("s3prl").__file__).with_name("hub.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # any of two hundred bundled models can fail to import, in its own way
        raise BudgetError(
            f"upstream `{wanted}` is not one of {', '.join(UPSTREAMS)}, fbank, and s3prl's own hub cannot be imported "
            f"here: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error
    sys.modules[name] = module
    return module

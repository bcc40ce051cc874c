"""s3prl's runner, whoever starts it: a run with one of our upstreams gets what its task needs, as from our own launcher.

And a run whose configuration says so has its upstream run on one utterance at a time.
"""

from __future__ import annotations

import importlib
import sys
import types
from argparse import Namespace
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any

from s3prl_upstreams.host import evaluation
from s3prl_upstreams.upstreams.batches import ONE_BY_ONE, OneByOne
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS

NAME = "s3prl.downstream.runner"


class _Finder:
    """An import hook that has the runner's module fitted once it has been run."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None) -> ModuleSpec | None:
        """The module as it is found for the other modules of s3prl's; None for those."""
        spec = evaluation.Guard.find_spec(name, path, target) if name == NAME else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def fitted(module: types.ModuleType) -> None:
            execute(module)
            _fit(module)

        spec.loader.exec_module = fitted
        return spec


def fit() -> None:
    """Have runs fitted by the runner's module, which isn't imported yet."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


def fitted() -> types.ModuleType:
    """The runner's module, imported and fitted, whether or not `fit` came before."""
    module = importlib.import_module(NAME)
    if not getattr(module.Runner, "is_fitted", False):
        _fit(module)
    return module


def _fit(module: types.ModuleType) -> None:
    begin = module.Runner.__init__

    def begin_fitted(self: Any, args: Namespace, config: dict[str, Any]) -> None:
        if args.upstream in UPSTREAMS:
            # the tasks import parts of s3prl, which imports this
            importlib.import_module("s3prl_upstreams.checks").put_right(args, config)
        begin(self, args, config)
        if config.get(ONE_BY_ONE):
            self.upstream.model = OneByOne(self.upstream.model)

    module.Runner.__init__, module.Runner.is_fitted = begin_fitted, True

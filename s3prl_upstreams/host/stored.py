"""s3prl's own runner with a store of hidden states, and the options that its command line lacks for it."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from s3prl_upstreams.store import demand
from s3prl_upstreams.store.decision import MODES, Options
from s3prl_upstreams.store.demand import Demand
from s3prl_upstreams.store.upstream import StoredUpstream
from s3prl_upstreams.store.use import with_store
from s3prl_upstreams.tasks import task_of

MARK = "hidden_states"
"""The key of a configuration, and of a record, that says that a store has rounded what a head was given."""


def take_options(words: Sequence[str]) -> tuple[Options, list[str]]:
    """The store's options of a command line, and the other words."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cache", dest="mode", choices=MODES, default="auto")
    parser.add_argument("--cache-gib", dest="gib", type=float)
    parser.add_argument("--cache-dir", dest="folder")
    given, others = parser.parse_known_args(words)
    options = Options(**vars(given))
    options.check()
    return options, others


def with_options(runner: type, options: Options) -> type:
    """A subclass of s3prl's runner whose upstream has a store, where a run can have one."""

    def begin(self: Any, args: Namespace, config: dict[str, Any]) -> None:
        runner.__init__(self, args, config)  # type: ignore[misc]
        if _can_have_one(args, config, options):
            model, expert = self.upstream.model, self.downstream.model
            model = with_store(model, lambda: _demand(expert, args, config), options, args.device)
            self.upstream.model = model
            if isinstance(model, StoredUpstream) and model.half:
                config[MARK] = "fp16"  # which goes into checkpoints and the record

    return type(runner.__name__, (runner,), {"__init__": begin})


def _can_have_one(args: Namespace, config: dict[str, Any], options: Options) -> bool:
    """A single evaluation gains nothing by itself: it has a store if the user wants one.

    Of tasks that aren't in our table, nobody knows what getting their data twice does.
    """
    modes = ("train",) if options.mode == "auto" else ("train", "evaluate")
    is_frozen = not args.upstream_trainable and not config.get("runner", {}).get("fp16")
    return args.mode in modes and is_frozen and task_of(args.downstream, config) is not None


def _demand(expert: Any, args: Namespace, config: dict[str, Any]) -> Demand:
    if args.mode == "train":
        return demand.of_training(expert, config)
    return demand.of_evaluations(expert, {args.evaluate_split: 1})

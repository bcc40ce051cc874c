"""What is asked for: one task of a sweep, its folders, and what s3prl is told for each of its trials."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
import math
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams import checks, completeness
from s3prl_upstreams.store.decision import Options
from s3prl_upstreams.sweep import source
from s3prl_upstreams.sweep.lstm import PRECISIONS
from s3prl_upstreams.tasks import Task, get_task
from s3prl_upstreams.upstreams.batches import ONE_BY_ONE
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS

RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""The papers' sweep (s3prl's issues 120 and 498: five values by powers of ten)."""

MOST_EVALUATIONS = 5
"""Of a shortened run; the official recipes make 40 to 100."""

Config = dict[str, Any]


@dataclass(frozen=True)
class SweepSettings:
    """One task of a sweep.

    `out` is the task's folder, `rates` the learning rates, `steps` what ``runner.total_steps`` is shortened to (None: the
    recipe's), `halving` whether the worse half of the trials ends at 1/8, 1/4 and 1/2 of the steps, `test` whether the
    best trial is tested (False: trained only), `override` more of s3prl's ``-o``, `workers` how many processes read audio
    (None: the recipe's number), `digest` that of the checkpoint's content, `allow_incomplete` whether files of the
    corpus may be missing, `incomplete` what is (None: nothing), `corpus` what is told of one's own, `one_by_one` whether the
    upstream runs on one utterance at a time, `padding` by how much padded batches change its features otherwise (None: not
    noticeably), `upstream_rate` the learning rate of an upstream that is trained, too (None: it is frozen), `pool` whether
    a head that reads nothing of an utterance but its mean over time is given that mean instead of all frames, and others
    add up layers as products with one copy,
    `lstm_precision` what LSTMs of heads compute in; `cache`, `cache_gib` and `cache_dir` are the
    :class:`~s3prl_upstreams.store.decision.Options` of a store of hidden states.
    """

    task: str
    out: str
    upstream: str
    checkpoint: str | None
    rates: tuple[float, ...] = RATES
    device: str = "cpu"
    seed: int = 1337
    steps: int | None = None
    halving: bool = False
    test: bool = True
    override: str | None = None
    workers: int | None = None
    command: str = ""
    digest: str | None = None
    cache: str = "off"
    cache_gib: float | None = None
    cache_dir: str | None = None
    allow_incomplete: bool = False
    incomplete: dict[str, Any] | None = None
    corpus: dict[str, Any] | None = None
    one_by_one: bool = False
    padding: float | None = None
    upstream_rate: float | None = None
    pool: bool = True
    lstm_precision: str = "fp32"

    @property
    def unfrozen(self) -> bool:
        """Whether the upstream is trained, too (s3prl's ``-f``)."""
        return self.upstream_rate is not None

    @property
    def superb(self) -> Task:
        """The task's row in the table."""
        return get_task(self.task)

    @property
    def folder(self) -> Path:
        """Everything of the task is in here."""
        return Path(self.out)

    @property
    def store(self) -> Options:
        """What is asked of the store of hidden states."""
        return Options(self.cache, self.cache_gib, self.cache_dir)

    @property
    def hidden_states(self) -> str:
        """What numbers heads are given: a store in fp32 changes none."""
        return "fp16" if self.cache == "fp16" else "fp32"

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the runs whose scores are averaged (the folds of ER); one without a name where there is one run."""
        return tuple(self.superb.variants) or ("",)

    def trial_folder(self, rate: float, variant: str = "") -> Path:
        """s3prl's experiment folder of a trial."""
        return self.folder / variant / f"lr_{rate:g}"


def tasks(
    names: Sequence[str],
    out: Path,
    checkpoint: str | None,
    overrides: Sequence[str] = (),
    upstream: str | None = None,
    **common: Any,
) -> list[SweepSettings]:
    """Settings of several tasks for one upstream (None: the one that reads the checkpoint).

    `overrides` are s3prl's ``-o``, each for all tasks or, as ``TASK:...``, for one.

    Raises:
        ConfigError: an unknown task.
        BudgetError: a missing checkpoint.
    """
    if checkpoint is not None:
        checkpoint = source.fetched(upstream, checkpoint)
    upstream, digest = upstream or source.upstream_for(checkpoint), None
    if checkpoint is not None:
        checkpoint, digest = source.identify(upstream, checkpoint)
    folder = out.resolve()
    return [
        SweepSettings(
            get_task(name).name,
            str(folder / name),
            upstream,
            checkpoint,
            digest=digest,
            override=_overrides_of(name, overrides),
            **common,
        )
        for name in names
    ]


def _overrides_of(task: str, overrides: Sequence[str]) -> str | None:
    found = []
    for text in overrides:
        name, colon, rest = text.partition(":")
        if colon and name.isidentifier():
            found += [rest] if get_task(name).name == task else []
        else:
            found.append(text)
    return ",,".join(found) or None


def to_json(settings: SweepSettings) -> str:
    """Settings for another process, or another time."""
    return json.dumps(asdict(settings), indent=1)


def from_json(text: str) -> SweepSettings:
    """The settings that :func:`to_json` wrote."""
    values = json.loads(text)
    return SweepSettings(**{**values, "rates": tuple(values["rates"])})


def check(settings: SweepSettings) -> SweepSettings:
    """Refuse what cannot work before anything is trained; ConfigError or BudgetError says what to change.

    Returns the settings with what is told of the corpus: what is missing, if that is allowed, and whose it is (the same for
    all variants).
    """
    task = settings.superb
    settings.store.check()
    if settings.halving and task.selection is None:
        raise ConfigError(f"`--halving` ranks trials on a development split, which `{task.name}` doesn't have: leave it out")
    for name, least in (("steps", 1), ("workers", 0)):
        number = getattr(settings, name)
        if number is not None and number < least:
            raise ConfigError(f"`--{name}` must be at least {least}, but is {number}")
    if settings.lstm_precision not in PRECISIONS:
        raise ConfigError(f"`--lstm-precision` must be {' or '.join(PRECISIONS)}, but is {settings.lstm_precision}")
    if settings.unfrozen:
        _check_unfrozen(settings)
    if not settings.rates or len(set(settings.rates)) < len(settings.rates) or min(settings.rates) <= 0:
        raise ConfigError(f"`--lr` must be different numbers above 0, but is {list(settings.rates)}")
    silence = io.StringIO()  # s3prl prints what it overrides
    with tempfile.TemporaryDirectory() as nowhere, contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        for variant in settings.variants:
            args, config = s3prl_settings(settings, Path(nowhere), variant)
            args.mode, args.evaluate_split = "evaluate", task.test_split
            checks.prepare(args, config, settings.allow_incomplete)  # what only the test needs is missed now, too
    corpus = None if task.corpus is None else task.corpus(config["downstream_expert"])
    return replace(settings, incomplete=config.get(completeness.MARK), corpus=corpus)


def _check_unfrozen(settings: SweepSettings) -> None:
    if not settings.superb.trains:
        raise ConfigError(f"`--upstream-lr`: `{settings.task}` trains nothing, leave it out")
    if not 0 < (settings.upstream_rate or 0) < math.inf:
        raise ConfigError(f"`--upstream-lr` must be a number above 0, but is {settings.upstream_rate}")
    if settings.upstream not in UPSTREAMS:  # s3prl's own hook into their layers, which a copy of one would share
        raise ConfigError(
            f"`--upstream-lr`: each trial trains a copy of its upstream, and `{settings.upstream}` can't be copied; use "
            "`python -m s3prl_upstreams.run_downstream -f ...`, a run for each learning rate"
        )
    if settings.cache not in ("off", "auto"):
        raise ConfigError(f"`--cache {settings.cache}`: hidden states of an upstream that learns don't stay the same")


def s3prl_settings(settings: SweepSettings, folder: Path, variant: str = "") -> tuple[Namespace, Config]:
    """What s3prl's launcher would have made of a command line for this task with the experiment folder `folder`.

    Its own parser makes it, so that checkpoints say what s3prl needs to evaluate them; the learning rate is still the
    recipe's.

    Raises:
        BudgetError: the corpus, the device or an override is wrong.
    """
    task = settings.superb
    recipe = recipes_dir() / "superb" / task.recipe
    words = ["-m", "train"] if task.trains else ["-m", "evaluate", "-t", str(task.dev_split)]
    words += ["-d", task.downstream, "-c", str(recipe), "-p", str(folder), "-u", settings.upstream]
    words += ["--device", settings.device, "--seed", str(settings.seed)]
    if settings.checkpoint is not None:
        words += ["-k", settings.checkpoint]
    if settings.unfrozen:
        words.append("-f")
    overrides = [*_shortened(recipe, settings.steps), task.variants.get(variant), settings.override]
    if any(overrides):
        words += ["-o", ",,".join(override for override in overrides if override)]
    launcher = importlib.import_module("s3prl.run_downstream")
    try:
        with _command_line(words):
            args, config, _ = launcher.get_downstream_args()
    except ValueError as error:
        raise ConfigError(f"`-o {settings.override}` must be options such as `config.a.b=1`, joined by `,,`") from error
    args.init_ckpt = None
    _refuse_what_trials_cannot_share(settings, args, config)
    if settings.workers is not None:
        _set_everywhere(config, "num_workers", settings.workers)
    if settings.one_by_one:
        config[ONE_BY_ONE] = True
    checks.prepare(args, config, settings.allow_incomplete)
    # trials are compared on the development split; the test split is for the best of them, once
    config["runner"]["eval_dataloaders"] = [task.selection.split] if task.selection else []
    return args, config


def for_trial(args: Namespace, config: Config, folder: Path, rate: float) -> tuple[Namespace, Config]:
    """A trial's own copy."""
    own_args, own_config = copy.deepcopy(args), copy.deepcopy(config)
    own_args.expdir = str(folder)
    own_config["optimizer"]["lr"] = rate
    return own_args, own_config


def changes(settings: SweepSettings, config: Config) -> dict[str, Any]:
    """What `config` has different from the official recipe, by dotted key; paths, processes and the learning rate left out.

    Empty: the run is the official one.
    """
    recipe = recipes_dir() / "superb" / settings.superb.recipe
    official = dict(leaves(checks.expand(yaml.safe_load(recipe.read_text(encoding="utf-8")))))
    mine = dict(leaves(config))
    own = {"optimizer.lr", "runner.eval_dataloaders", ONE_BY_ONE}
    own |= {option.partition("=")[0].removeprefix("config.") for option in settings.superb.variants.values()}
    own |= {key for key in mine if key.startswith(f"{completeness.MARK}.")}
    told = {key for key in mine if key not in own and not key.endswith(("num_workers", "max_workers"))}
    rounded = {
        name: value
        for name, value in (("hidden_states", settings.hidden_states), ("lstm_precision", settings.lstm_precision))
        if value != "fp32"
    }
    rounded |= {"upstream_lr": settings.upstream_rate} if settings.unfrozen else {}
    return rounded | {
        key: mine[key]
        for key in sorted(told)
        if mine[key] != official.get(key) and not (isinstance(mine[key], str) and "/" in mine[key])
    }


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """What stands in nested dictionaries, by dotted key."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _set_everywhere(value: Any, key: str, new: Any) -> None:
    """Change what stands under `key`, wherever a task's recipe has it."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        if name == key:
            value[name] = new
        else:
            _set_everywhere(inner, key, new)


def _shortened(recipe: Path, steps: int | None) -> list[str]:
    """Overrides that shorten a run: evaluations, checkpoints and log lines fall on its last step, too."""
    if steps is None:
        return []
    try:
        runner = yaml.safe_load(recipe.read_text(encoding="utf-8")).get("runner") or {}
    except OSError as error:
        raise BudgetError(f"no recipe `{recipe}`: install fairseq-budget again") from error
    if not runner:
        return []
    evaluations = min(MOST_EVALUATIONS, runner["total_steps"] // runner["eval_step"])
    every = next(step for step in range(1, steps + 1) if steps % step == 0 and steps <= evaluations * step)
    log = next(step for step in range(min(every, runner["log_step"]), 0, -1) if every % step == 0)
    values = {"total_steps": steps, "eval_step": every, "save_step": every, "log_step": log}
    return [f"config.runner.{key}={value}" for key, value in values.items()]


def _refuse_what_trials_cannot_share(settings: SweepSettings, args: Namespace, config: Config) -> None:
    if "config.optimizer.lr" in (settings.override or ""):
        raise ConfigError(
            "`-o config.optimizer.lr=...`: learning rates are what a sweep goes through, give them with `--lr`"
        )
    if args.upstream_trainable and not settings.unfrozen:
        raise ConfigError("to train the upstream, too, give its learning rate with `--upstream-lr`")
    if config.get("runner", {}).get("fp16"):
        raise ConfigError("`runner.fp16` isn't possible here: leave it out, and see `--lstm-precision`")


@contextlib.contextmanager
def _command_line(words: list[str]) -> Iterator[None]:
    """s3prl's parser reads the process's own command line."""
    own, sys.argv = sys.argv, [sys.argv[0], *words]
    try:
        yield
    finally:
        sys.argv = own

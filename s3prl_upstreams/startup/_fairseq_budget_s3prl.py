"""s3prl prepared while somebody imports it, so that its own command line, classes and hub know our upstreams.

An installation copies this module among the packages, and ``fairseq_budget_s3prl.pth`` beside it, which has every Python
call `install` when it starts; with ``FAIRSEQ_BUDGET_S3PRL_HOOK=0`` it doesn't.  Until s3prl is imported, that costs a
comparison for each import: nothing is imported here that Python hasn't imported by then anyway.  Our packages are looked for
when s3prl is imported, so that Python finds them where it would without this module.

fairseq's command is kept from two messages that it prints while it is imported, before any log is there.
"""

from __future__ import annotations

import sys

NAMES = ("s3prl", "fairseq_cli.hydra_train")


class Finder:
    """An import hook that asks the other finders for these modules, and has them prepared when they are run."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """The module as the others find it; None for every other name, and where nobody finds it."""
        if name not in NAMES:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not Finder)
        spec = next(filter(None, found), None)
        if spec is None or spec.loader is None:
            return None  # it isn't installed, or is a mere folder of that name
        run, execute = _with_upstreams if name == "s3prl" else _without_noise, spec.loader.exec_module
        spec.loader.exec_module = lambda module: run(execute, module)
        return spec


def _with_upstreams(execute, module):
    fixed = _works("compat", "apply")
    execute(module)
    if fixed and _works("hub", "install"):
        _works("runner", "fit")


def _without_noise(execute, module):
    """Without Hydra's remark that the command is written for Hydra 1.0, and DeepSpeed's that there is no accelerator, which
    fairseq imports and which isn't used."""
    import logging
    import warnings

    warnings.filterwarnings("ignore", r"\s*The version_base parameter", UserWarning, r"fairseq_cli\.hydra_train")
    logging.getLogger("DeepSpeed").addFilter(lambda record: not record.getMessage().startswith("Setting accelerator"))
    execute(module)


def install() -> None:
    """Put the hook before the other finders, once."""
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)


def _works(module: str, step: str) -> bool:
    """Whether a step of the preparation worked; if not, s3prl is left as it would be without it, and a warning says why."""
    import importlib
    import warnings

    try:
        getattr(importlib.import_module(f"s3prl_upstreams.host.{module}"), step)()
    except Exception as error:  # whatever is missing or broken here, s3prl may work without it
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        warnings.warn(f"s3prl works without the upstreams of fairseq-budget ({reason})", RuntimeWarning, stacklevel=2)
        return False
    return True

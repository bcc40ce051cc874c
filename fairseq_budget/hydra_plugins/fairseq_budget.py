"""Imported by Hydra when it starts: makes the recipes composable under an unmodified fairseq.

It registers the resolvers that recipes use and the `size` group, made from the size table, and has mistakes in a command
told in one line (`fairseq_budget/mistakes/`).  Importing the package from within fairseq also applies the compat fixes,
which have to be in place before fairseq sets up its workers.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import warnings
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from fairseq_budget import recipes
from fairseq_budget.mistakes.composing import name_what_is_wrong
from fairseq_budget.mistakes.reporting import report_in_one_line

TRAINING_COMMANDS = ("fairseq-hydra-train", "hydra_train.py")


def register() -> None:
    """Make resolvers and the `size` group known to Hydra."""
    user_dir = str(Path(recipes.__file__).parent)
    OmegaConf.register_new_resolver("fairseq_budget.user_dir", lambda: user_dir, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.setting", recipes.setting, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.steps_per_update", recipes.steps_per_update, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.ddp_backend", recipes.ddp_backend, replace=True)
    OmegaConf.register_new_resolver("fairseq_budget.port", recipes.port, replace=True)
    for name, node in recipes.size_group().items():
        ConfigStore.instance().store(
            group=recipes.SIZE_GROUP, name=name, node=node, package="_global_", provider="fairseq_budget"
        )


def take_note_of_early_signals() -> None:
    """fairseq's command needs seconds before its task exists; a request to stop that comes meanwhile isn't lost."""
    is_joblibs = type(multiprocessing.current_process()).__name__ == "LokyProcess"
    if Path(sys.argv[0]).name in TRAINING_COMMANDS and ("fairseq" in sys.modules or is_joblibs):
        from fairseq_budget.plugin.run.signals import early

        early.watch()


def leave_out_advice_to_fairseqs_authors() -> None:
    """What Hydra says of every command of fairseq's is about how fairseq uses Hydra; a user can't follow it."""
    for message in ("(?s).*is validated against ConfigStore schema", "Future Hydra versions will no longer change working"):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)


def end_debugging_messages() -> None:
    """A module of fairseq's (wav2vec2_classification.py) turns on every package's, as soon as it is imported."""
    if "fairseq" in sys.modules and logging.root.level == logging.DEBUG:
        logging.root.setLevel(logging.WARNING)


class FairseqBudgetPlugin(SearchPathPlugin):
    """Changes no search path.  Hydra's launchers hand its plugins on to the processes that they start; because this is one,
    those import this module before they compose a run."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra when it starts, once it has imported its plugins: what these do to warnings it takes back."""
        leave_out_advice_to_fairseqs_authors()


register()
name_what_is_wrong()
report_in_one_line()
take_note_of_early_signals()
end_debugging_messages()

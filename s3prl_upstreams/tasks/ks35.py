"""Keyword spotting on Speech Commands v0.02, 35 words."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import speech_commands
from s3prl_upstreams.tasks.accuracy import accuracy_task
from s3prl_upstreams.tasks.base import Config


def _known_classes(args: Namespace, expert: Config) -> None:
    """KS with a class list of one's own: s3prl would look for a class `_unknown_` or `_silence_` that isn't in it."""
    datarc = expert["datarc"]
    for key in ("speech_commands_root", "speech_commands_test_root"):
        for folder in sorted(entry for entry in Path(datarc[key]).iterdir() if entry.is_dir()):
            if folder.name not in datarc["classes"]:
                raise BudgetError(
                    f"`{folder}` is none of the `classes`: make the folders with `fairseq-budget corpus superb ks35`"
                )


TASK = accuracy_task(
    "ks35",
    "Keyword spotting, 35 words",
    "speech_commands",
    "KWS35_ACC",
    ("SUPERB",),
    paths=speech_commands.PATHS,
    checks=(_known_classes, speech_commands.a_whole_batch),
    lists=speech_commands.lists,
    leave_out=speech_commands.leave_out,
    fixes=(speech_commands.use_class_list,),
    is_meant=speech_commands.has_class_list,
)

"""Keyword spotting on Speech Commands v0.01, 12 classes."""

from __future__ import annotations

from s3prl_upstreams.tasks import speech_commands
from s3prl_upstreams.tasks.accuracy import accuracy_task

TASK = accuracy_task(
    "ks",
    "Keyword spotting, 12 classes",
    "speech_commands",
    "KS_ACC",
    ("SPEECH_COMMANDS",),
    paths=speech_commands.PATHS,
    checks=(speech_commands.a_whole_batch,),
    lists=speech_commands.lists,
    leave_out=speech_commands.leave_out,
    fixes=(speech_commands.use_class_list,),
    is_meant=lambda expert: not (expert.get("datarc") or {}).get("classes"),
)

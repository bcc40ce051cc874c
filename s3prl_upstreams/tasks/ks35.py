"""Keyword spotting on Speech Commands v0.02, 35 words; on another corpus of that layout, however many it has."""

from __future__ import annotations

from s3prl_upstreams.tasks import speech_commands
from s3prl_upstreams.tasks.accuracy import accuracy_task

TASK = accuracy_task(
    "ks35",
    "Keyword spotting, 35 words",
    "speech_commands",
    "KWS35_ACC",
    ("SUPERB",),
    paths=speech_commands.PATHS,
    checks=(speech_commands.tested_classes_are_trained, speech_commands.a_whole_batch),
    lists=speech_commands.lists,
    leave_out=speech_commands.leave_out,
    fixes=(speech_commands.use_class_list,),
    is_meant=speech_commands.has_class_list,
)

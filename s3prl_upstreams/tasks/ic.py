"""Intent classification on Fluent Speech Commands."""

from __future__ import annotations

from pathlib import Path

from s3prl_upstreams.tasks.accuracy import accuracy_task

TASK = accuracy_task(
    "ic",
    "Intent classification",
    "fluent_commands",
    "IC_ACC",
    ("FLUENT_COMMANDS",),
    paths={"datarc.file_path": Path.is_dir},
)

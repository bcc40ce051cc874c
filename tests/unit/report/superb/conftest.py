"""Folders with records of downstream runs, as a sweep leaves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def record(folder: Path, task: str, scores: dict[str, float | None], **changes: Any) -> Path:
    """One task's record in `folder`."""
    content: dict[str, Any] = {
        "kind": "downstream",
        "task": task,
        "upstream": "budget_local",
        "objective": "hubert",
        "size": "slim",
        "checkpoint": "/runs/hubert-slim/checkpoints/checkpoint_last.pt",
        "unfrozen": False,
        "scores": scores,
        "sweep": {"official": True, "changed": {}},
        "error": None,
        "chosen": True,
        "cells": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(content | changes), encoding="utf-8")
    return folder

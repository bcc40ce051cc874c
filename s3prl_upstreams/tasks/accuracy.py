"""Tasks of one label for an utterance, scored by accuracy: KS, IC, SID and ER."""

from __future__ import annotations

from typing import Any

from s3prl_upstreams.tasks.base import Metric, ModelSelection, Task


def accuracy_task(name: str, title: str, downstream: str, column: str, corpora: tuple[str, ...], **aspects: Any) -> Task:
    """A task whose best checkpoint on dev is that with the highest accuracy."""
    selection = ModelSelection("dev", "acc", True, 0.0, "dev-best.ckpt")
    return Task(name, title, downstream, f"{name}.yaml", (Metric("acc", column, True),), selection, corpora, **aspects)

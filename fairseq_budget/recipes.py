"""Where the recipes lie, and what Hydra needs to compose them."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.sizes import SIZES, get_size
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import OBJECTIVES, get_objective, of_model

logger = logging.getLogger(__name__)

SIZE_GROUP = "size"


def recipes_dir() -> Path:
    """The folder for ``--config-dir``: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent
    for folder in (package / "recipes", package.parent / "recipes"):
        if (folder / "base.yaml").is_file():
            return folder
    raise BudgetError("the recipes are missing from this installation; install fairseq-budget again")


def model_settings(objective: str, size_name: str) -> dict[str, Any]:
    """What a size means for an objective: every setting of the model that the size decides, and how it is trained.

    Keys are fields of the objective's configuration, and `lr`, `max_tokens` and `normalize`.
    """
    size, chosen = get_size(size_name), get_objective(objective)
    return {**chosen.settings(size), "lr": chosen.learning_rate(size), "max_tokens": chosen.batch_samples(size)}


def setting(model_name: str, size_name: str, key: str) -> Any:
    """The resolver behind the recipes' ``size`` group."""
    return model_settings(of_model(model_name).name, str(size_name))[key]


@cache  # a recipe asks whenever the setting is read, and the user is told once
def steps_per_update(ranks: int, published_ranks: int) -> int:
    """Steps to accumulate so that fewer ranks make updates of as many batches as the published number made.

    Where none do, the update has another batch than its learning rate and its warm-up are meant for, and the log says so.
    """
    steps = max(1, published_ranks // ranks)
    if steps * ranks != published_ranks:
        logger.warning(
            "%d ranks x %d steps make updates of %d batches, published are %d, for which learning rate and warm-up are "
            "meant: take a number of ranks that divides it (`distributed_training.distributed_world_size`), another "
            "`dataset.max_tokens`, or, to have it so, `optimization.update_freq=[%d]`",
            ranks,
            steps,
            steps * ranks,
            published_ranks,
            steps,
        )
    return steps


def ddp_backend(layerdrop: float, checkpoint: str | None) -> str:
    """How ranks sum their gradients: while others are still computed, where every parameter gets one in every update.

    LayerDrop leaves out layers, and fine-tuning from a `checkpoint` has phases in which not all are trained: there, they are
    summed when all are there.
    """
    return "legacy_ddp" if layerdrop > 0 or checkpoint else "pytorch_ddp"


def port(job: int) -> int:
    """The port at which a cluster job's workers meet, above the reserved and below the ephemeral ones."""
    return 10_000 + int(job) % 20_000


def size_group() -> dict[str, dict[str, Any]]:
    """Hydra's config group `size`, one entry for each row of the size table.

    Values are interpolations: what a size means depends on the objective of the recipe that it is composed with.
    """

    def node(size_name: str) -> dict[str, Any]:
        values = {
            key: f"${{fairseq_budget.setting:${{model._name}},{size_name},{key}}}"
            for key in model_settings(next(iter(OBJECTIVES)), size_name)  # the same for all
        }
        learning_rate, samples, normalize = (values.pop(key) for key in ("lr", "max_tokens", "normalize"))
        return {
            "model": values,
            "optimization": {"lr": [learning_rate]},
            "dataset": {"max_tokens": samples},
            "task": {"normalize": normalize},
        }

    return {name: node(name) for name in SIZES}

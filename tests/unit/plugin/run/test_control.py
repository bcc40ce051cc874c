"""What fairseq's configuration is refused for before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from fairseq_budget.errors import ConfigError
from fairseq_budget.plugin.run.control import Control


def control(**settings: Any) -> Control:
    given = {"ddp_backend": "pytorch_ddp", "distributed_world_size": 2, "find_unused_parameters": False, **settings}
    return Control(OmegaConf.create({"distributed_training": given}))


def model(layerdrop: float = 0.0, **settings: Any) -> Any:
    return OmegaConf.create({"encoder_layerdrop": layerdrop, **settings})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            model(0.05),
            "`distributed_training.ddp_backend=pytorch_ddp` needs .*`model.encoder_layerdrop=0.05` leaves out layers",
        ),
        (model(checkpoint="parent.pt"), "phases in which not all are trained"),
    ],
)
def test_gradients_that_some_rank_would_wait_for_in_vain(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        control().check_overlap(given)
    for harmless in ({"ddp_backend": "legacy_ddp"}, {"distributed_world_size": 1}, {"find_unused_parameters": True}):
        control(**harmless).check_overlap(given)


def test_all_of_them_are_sent() -> None:
    control().check_overlap(model(checkpoint=""))

"""Nothing here depends on how fast the machine is, and what many tests only read is made once in a test run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hydra.core.config_store import ConfigStore
from hypothesis import HealthCheck, settings

from fairseq_budget.synthetic.superb import everything

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Hydra copies all that is registered for each composition, half of its time, and copies again what it takes from there
ConfigStore.__deepcopy__ = lambda store, memo: store


@pytest.fixture(scope="session")
def in_common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def miniatures(in_common: Path) -> Callable[..., Path]:
    """miniatures(*tasks): the folder of SUPERB's miniature corpora, with those of the tasks in it.  To be read only."""

    def get(*tasks: str) -> Path:
        with FileLock(in_common / "superb.lock"):
            for ready in (in_common / f"superb.{task}" for task in tasks):
                if not ready.exists():
                    everything.make(in_common / "superb", (ready.suffix[1:],))
                    ready.touch()
        return in_common / "superb"

    return get

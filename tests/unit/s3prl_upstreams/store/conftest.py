"""A store in a folder of its own, and a small upstream."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3prl_upstreams.store.folder import Store
from s3prl_upstreams.upstreams.expert import UpstreamExpert


@pytest.fixture
def told() -> list[str]:
    """What the store has said."""
    return []


@pytest.fixture
def store(tmp_path: Path, told: list[str]) -> Store:
    return Store(tmp_path / "store", tell=told.append)


@pytest.fixture
def upstream(tiny: Path) -> UpstreamExpert:
    return UpstreamExpert(str(tiny)).eval()

"""Where a run starts: own progress first, a missing file is an error, whatever setting names the checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf

from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin.run.control import Control
from fairseq_budget.plugin.run.origin import LAST, WAYS, Origin, find_origin


@pytest.fixture
def root(tmp_path: Path) -> Any:
    """fairseq's configuration."""
    root = OmegaConf.structured(FairseqConfig)
    root.common.cpu = True
    root.checkpoint.save_dir = str(tmp_path / "checkpoints")
    (tmp_path / "checkpoints").mkdir()
    return root


@pytest.fixture
def trunk(tmp_path: Path) -> Path:
    path = tmp_path / "trunk.pt"
    path.touch()
    return path


def own(root: Any) -> Path:
    path = Path(root.checkpoint.save_dir, LAST)
    path.touch()
    return path


def test_from_scratch(root: Any) -> None:
    assert find_origin(None) == find_origin(root.checkpoint) == Origin()


def test_own_progress(root: Any) -> None:
    last = own(root)
    assert find_origin(root.checkpoint) == Origin(last)
    root.checkpoint.restore_file = str(last)
    assert find_origin(root.checkpoint) == Origin(last), "by its path"


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_parent(root: Any, trunk: Path, way: str) -> None:
    root.checkpoint[way] = str(trunk)
    first = find_origin(root.checkpoint)
    assert first == Origin(trunk, trunk, way)
    assert not first.own
    last = own(root)
    again = find_origin(root.checkpoint)
    assert again == Origin(last, trunk, way)
    assert again.own


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_not_there(root: Any, tmp_path: Path, way: str) -> None:
    root.checkpoint[way] = str(tmp_path / "trnuk.pt")
    with pytest.raises(BudgetError, match=rf"`checkpoint\.{way}`: no file `{tmp_path}/trnuk\.pt`: correct the path"):
        find_origin(root.checkpoint)


def test_one_parent(root: Any, trunk: Path) -> None:
    root.checkpoint.update({"restore_file": str(trunk), "finetune_from_model": str(trunk)})
    with pytest.raises(BudgetError, match="one parent: give one of `checkpoint.restore_file`, `checkpoint.finetune_from"):
        find_origin(root.checkpoint)


@pytest.mark.parametrize("name", ["reset_optimizer", "reset_lr_scheduler"])
def test_own_progress_is_not_forgotten_at_every_start(root: Any, name: str) -> None:
    root.checkpoint[name] = True
    assert find_origin(root.checkpoint) == Origin()
    last = own(root)
    with pytest.raises(BudgetError, match=rf"`checkpoint\.{name}` would forget .* `checkpoint\.restore_file={last}`"):
        find_origin(root.checkpoint)


def test_fairseq_reads_the_parent_once_and_then_the_runs_own(root: Any, trunk: Path) -> None:
    root.checkpoint.update({"restore_file": str(trunk), "reset_optimizer": True})
    Control(root).start_from(find_origin(root.checkpoint))
    assert (root.checkpoint.restore_file, root.checkpoint.reset_optimizer) == (str(trunk), True)
    own(root)
    Control(root).start_from(find_origin(root.checkpoint))
    assert (root.checkpoint.restore_file, root.checkpoint.reset_optimizer) == (LAST, False)


def test_a_parents_best_is_not_the_runs(root: Any, trunk: Path) -> None:
    """fairseq takes over the best validation loss unless it resets its meters, which fine-tuning does by itself."""
    for way, reset in zip(WAYS, (True, True, False), strict=True):
        root.checkpoint.update(dict.fromkeys(WAYS) | {"restore_file": LAST, way: str(trunk), "reset_meters": False})
        Control(root).start_from(find_origin(root.checkpoint))
        assert root.checkpoint.reset_meters == reset

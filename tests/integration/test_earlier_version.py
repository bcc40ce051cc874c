"""A run begun with 0.3.1 goes on with this version, and ends where 0.3.1's own did."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from fairseq_budget.recipes import recipes_dir
from tests.integration.conftest import check, run
from tests.recorded import ASSETS, BATCHES, NARROW, SHAPE, make_corpus

BEGUN, ENDED = (ASSETS / "checkpoints" / f"hubert-0.3.1-{name}.pt" for name in ("update-6-of-12", "end"))
"""Half of 12 updates of 0.3.1 on `make_corpus`, one CPU rank; and what 0.3.1 itself made of the other half."""


def test_a_run_of_0_3_1_is_continued(tmp_path: Path) -> None:
    """The parameters are equal but for rounding: since 0.4.0, positions of narrow groups are summed in another order."""
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    shutil.copy(BEGUN, checkpoints / "checkpoint_last.pt")
    data = make_corpus(tmp_path / "data")
    settings = ["size=30", "budget=custom", "task.budget.updates=12", "task.checkpoints=2", "device=cpu", "data=folder"]
    settings += [*NARROW["conv"], *SHAPE, *BATCHES, "dataset.num_workers=1", "task.label_rate=50", "optimization.lr=[1e-3]"]
    command = ["fairseq-hydra-train", "--config-dir", str(recipes_dir()), "--config-name", "hubert"]
    place = [f"task.data={data}", f"hydra.run.dir={tmp_path / 'run'}"]
    check(run([*command, *settings, *place], tmp_path, OMP_NUM_THREADS="1"))

    found, wanted = (torch.load(path, weights_only=False) for path in (checkpoints / "checkpoint_last.pt", ENDED))
    ledger = ledger_of(found)
    assert ledger is not None
    # 0.3.1 counted nothing after the first epoch as new
    assert ledger.pop("unique_samples") > wanted["ledger"].pop("unique_samples")
    assert {name: amount for name, amount in ledger.items() if "seconds" not in name} == wanted["ledger"]
    assert found["model"].keys() == wanted["model"].keys()
    for name, value in wanted["model"].items():
        # Adam makes steps out of the rounding of gradients that are 0: a key's bias changes no attention
        largest = max(float(value.abs().max()), 1e-4)
        assert float((found["model"][name] - value).abs().max()) <= 1e-4 * largest, name
    assert not (checkpoints / "checkpoint_at_6_updates.pt").exists(), "the first half was kept by 0.3.1"
    assert (checkpoints / "checkpoint_at_12_updates.pt").is_file()

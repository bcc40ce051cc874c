"""Ten updates of every objective and front end through fairseq's trainer give the losses that were recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairseq_budget.frontends import FRONTENDS
from fairseq_budget.objectives import OBJECTIVES
from tests.recorded import losses_of, make_corpus, recorded_losses

TOLERANCE = 2e-3
"""Relative.  Another processor rounds differently, which ten updates of a tiny model let grow to some 1e-4; a change of an
objective, of the masks, of the optimizer or of the schedule moves a loss by more."""


@pytest.mark.parametrize("frontend", FRONTENDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_are_those_recorded(objective: str, frontend: str, tmp_path: Path) -> None:
    recorded = json.loads(recorded_losses(objective, frontend).read_text())
    assert losses_of(objective, make_corpus(tmp_path / "data"), frontend) == pytest.approx(recorded, rel=TOLERANCE)

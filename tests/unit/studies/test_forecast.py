"""What the papers' runs cost, before they are run: the figures that the papers print."""

from __future__ import annotations

import numpy as np
import pytest

from fairseq_budget import published
from fairseq_budget.errors import BudgetError
from fairseq_budget.studies import get_study
from fairseq_budget.studies.forecast import Forecast, foresee
from fairseq_budget.studies.study import PAPER, Cell

COMMON = ["data=folder", "task.data=."]
RELEASED = {"30": 550_070, "50": 499_953, "70": 454_811, "slim": 400_000, "200": 297_370, "base": 187_222}
"""Updates in the configurations that the authors of Liu et al. 2024 released, the same for every objective."""
RELEASED_LARGE = {"hubert": 160_144, "tera": 160_144, "wav2vec2": 72_234}


def forecasts(name: str) -> list[Forecast]:
    return foresee(get_study(name).runs(PAPER), None, COMMON, None)


@pytest.mark.parametrize("objective", RELEASED_LARGE)
def test_updates_are_those_that_were_released(objective: str) -> None:
    """Within 1%, though packing is that of lengths like LibriSpeech's."""
    cells = [c for c in get_study("model_size").cells(PAPER) if c.recipe == objective and c.name.endswith("-1.33e+18")]
    for forecast in foresee(cells, None, COMMON, None):
        size = forecast.cell.name.split("-")[1]
        assert forecast.run.updates == pytest.approx(RELEASED.get(size, RELEASED_LARGE[objective]), rel=0.01), size
        assert forecast.run.flops == pytest.approx(1.33e18, rel=1e-4)


def test_epochs_are_those_that_are_published() -> None:
    """24.74 of the smallest and 3.25 of the largest size."""
    cells = [c for c in get_study("model_size").cells(PAPER) if c.name in ("hubert-30-1.33e+18", "hubert-large-1.33e+18")]
    smallest, largest = (forecast.run.epochs for forecast in foresee(cells, None, COMMON, None))
    assert smallest == pytest.approx(24.74, abs=0.05)
    assert largest == pytest.approx(3.25, abs=0.02)


def test_hours_heard_are_those_that_were_measured() -> None:
    """Vaessen and van Leeuwen print them to two or three digits."""
    found = {forecast.cell.x: forecast.run.hours_heard for forecast in forecasts("batch_size")}
    for row in published.batches():
        assert found[float(row["batch_seconds"])] == pytest.approx(float(row["hours_measured"]), rel=0.02)


def test_lengths_hear_the_same_whatever_they_are() -> None:
    """Gao et al. 2022: 300,000 updates of 1.6 h."""
    cells = get_study("sequence_length").cells(PAPER)
    for forecast in foresee([cells[0], cells[-1]], None, COMMON, None):
        assert forecast.run.updates == 300_000
        assert forecast.run.hours_heard == pytest.approx(300_000 * 1.6, rel=0.005)


def test_parts_of_the_data_are_heard_more_often() -> None:
    found = {round(forecast.cell.data_share * 960): forecast.run for forecast in forecasts("data_size")}
    assert found[100].updates == found[960].updates
    assert found[1].epochs == pytest.approx(960 * found[960].epochs, rel=1e-6)


def test_limits_that_would_crop_segments_are_found_before_training() -> None:
    cell = Cell("long", "tera", ("size=30", "budget=demo", "task.segment_seconds=15"), "TERA", 1)
    with pytest.raises(BudgetError, match="cell long: `task.segment_seconds` = 15 makes segments of 244800 to 260800"):
        foresee([cell], np.full(100, 320_000), COMMON, None)


def test_a_speed_gives_hours_and_a_lost_budget_names_its_cell() -> None:
    cell = Cell("tiny", "tera", ("size=30", "budget=demo"), "TERA", 1)
    lengths = np.full(100, 32_000)
    (timed,) = foresee([cell], lengths, COMMON, 1e9)
    assert timed.run.device_hours == pytest.approx(timed.run.flops / 1e9 / 3600)
    with pytest.raises(BudgetError, match="cell tiny: `flops` = 1 is less than one update"):
        foresee([cell], lengths, [*COMMON, "task.budget.flops=1"], None)
    with pytest.raises(BudgetError, match="cell tiny: every utterance is shorter than `task.min_sample_size` = 16000"):
        foresee([cell], np.full(100, 100), COMMON, None)

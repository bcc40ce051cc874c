"""What is measured around fairseq's own trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch

from fairseq_budget.bench import loader
from fairseq_budget.bench.bookkeeping import Bookkeeping, measure_bookkeeping
from fairseq_budget.bench.loader import LoaderWaiting, measure_waiting
from fairseq_budget.bench.reading import Reading, measure_reading
from fairseq_budget.bench.starting import measure_start
from fairseq_budget.bench.training import build_run
from fairseq_budget.bench.workload import Workload
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels.features import MFCC39
from fairseq_budget.labels.rounds import LabelSettings, make_labels
from tests.common import waves

CPU = torch.device("cpu")
SAMPLES, FILES = 33_000, 4


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with train.tsv and four FLAC files."""
    names = [f"{index}.flac" for index in range(FILES)]
    for name, wave in zip(names, waves(FILES, SAMPLES), strict=True):
        soundfile.write(tmp_path / name, wave.numpy(), 16_000)
    lines = [str(tmp_path), *(f"{name}\t{SAMPLES}" for name in names)]
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.integration
def test_waiting_is_part_of_the_time(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WARM_UP", 1)
    monkeypatch.chdir(data)
    files = set(data.iterdir())
    waiting = measure_waiting(data, "tera", "30", CPU, SAMPLES, updates=2, workers=0)
    assert (waiting.workers, waiting.updates) == (0, 2)
    assert 0 < waiting.waited_seconds < waiting.seconds
    assert LoaderWaiting(1, 2, 3.0, 12.0).share == 0.25
    with pytest.raises(BudgetError, match="gives 3 batches beside the 1 to warm up, but `--updates` is 4"):
        measure_waiting(data, "tera", "30", CPU, SAMPLES, updates=4, workers=0)
    made = {path.name for path in set(data.iterdir()) - files}
    assert all(name.startswith("train.tsv") for name in made), "no record, no progress: this is no run"


def test_bookkeeping_is_charged_and_small(workload: Callable[..., Workload]) -> None:
    cost = measure_bookkeeping(workload("hubert"), steps=1, updates=20)
    assert cost.step_seconds > 0
    assert cost.share < 1
    assert Bookkeeping(0.5, 100.0).share == 0.005


def test_a_run_is_the_recipes_and_its_own() -> None:
    first, second = (build_run("tera", "30", ("dataset.num_workers=3",), "cpu") for _ in range(2))
    assert first.recipe.dataset.num_workers == 3
    assert first.recipe.model.encoder_layers == 4
    assert first.task.run.state.budget.amounts == {"updates": 1e9}
    first.task.root.optimization.max_update = 7
    assert second.recipe.optimization.max_update == 0


def test_reading_by_format_and_place(data: Path) -> None:
    rows = list(measure_reading(data, lambda line: None))
    assert [(row.format, row.place) for row in rows] == [
        ("as it is", "where it is"),
        *((name, place) for name in ("FLAC", "WAV", "Opus") for place in ("files", "tar")),
    ]
    for row in rows:
        assert row.hours == pytest.approx(FILES * SAMPLES / 16_000 / 3600, rel=0.05), "a bucket's rows are cropped"
        assert row.core_seconds > 0
    assert Reading("WAV", "tar", hours=2.0, core_seconds=4.0).cores(device_rate=3600) == 2


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["tera", "hubert"])
def test_a_large_corpus_starts_twice(data: Path, objective: str) -> None:
    make_labels(data, LabelSettings(splits=("train",), clusters=4, n_init=1), MFCC39(CPU))
    first, again = measure_start(data, 200_000, objective, "0.05", "mel", 1, lambda line: None)
    assert first.utterances == again.utterances == 200_000
    for start in (first, again):
        assert 0 < start.core_seconds < start.seconds and start.loader_bytes > 0
        assert start.own_bytes < 100, "megabytes more or less are some bytes of so few"

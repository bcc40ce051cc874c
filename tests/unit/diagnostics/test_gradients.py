"""The deviation of gradients, against the vectors themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.data.labels import write_dictionary, write_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.diagnostics.gradients import deviation
from fairseq_budget.diagnostics.gradients.batches import Audio
from fairseq_budget.diagnostics.gradients.moments import Moments
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.objectives import build_model
from tests.common import tiny_config

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight utterances of 2 s, one of half a second, and labels of 100 Hz."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    frames = [32_000] * 8 + [8_000]
    for index, count in enumerate(frames):
        soundfile.write(folder / f"{index}.wav", 0.1 * random.standard_normal(count), 16_000)
    Manifest(folder, [f"{index}.wav" for index in range(9)], np.array(frames)).write(folder / "train.tsv", None)
    write_labels(folder / "train.km", [random.integers(0, 20, count // 160) for count in frames])
    write_dictionary(folder / "dict.km.txt", 20)
    (folder / "labels.json").write_text(json.dumps({"label_rate": 100, "fit_split": "train", "round": 1}))
    return folder


def checkpoint(folder: Path, objective: str) -> Path:
    torch.manual_seed(0)
    config = tiny_config(objective, label_rate=100.0) if objective == "hubert" else tiny_config(objective)
    settings = {name: getattr(config, name) for name in config.__dataclass_fields__} | {"_name": f"budget_{objective}"}
    path = folder / f"{objective}.pt"
    state = {"model": build_model(objective, config).state_dict(), "cfg": {"model": settings, "task": {}}}
    torch.save({**state, "optimizer_history": [{"num_updates": 7}]}, path)
    return path


@given(st.lists(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3), min_size=2, max_size=12))
def test_moments_are_those_of_all_vectors_at_once(vectors: list[list[float]]) -> None:
    moments = Moments()
    for vector in vectors:
        moments.add([torch.tensor(vector[:1]), torch.tensor(vector[1:])])
    stacked = np.array(vectors)
    assert moments.deviation() == pytest.approx(stacked.std(axis=0, ddof=1).mean(), rel=1e-3, abs=1e-4)
    assert moments.variance() == pytest.approx(stacked.var(axis=0, ddof=1).sum(), rel=1e-3, abs=1e-3)
    expected = (stacked.mean(axis=0) ** 2).sum() - stacked.var(axis=0, ddof=1).sum() / len(stacked)
    assert moments.squared_norm() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_batches_are_fixed_and_the_smaller_begin_the_larger(data: Path) -> None:
    audio = Audio.open(data, 1.0, None)
    small, large = audio.crops(2, seed=3, batch=1), audio.crops(6, seed=3, batch=1)
    assert small == large[:2] == audio.crops(2, seed=3, batch=1)
    assert audio.crops(6, seed=3, batch=2) != large != audio.crops(6, seed=4, batch=1)
    assert all(index < 8 and 0 <= start <= 16_000 for index, start in large), "the short one is never drawn"


@pytest.mark.parametrize("objective", ["wav2vec2", "hubert", "tera"])
def test_it_is_the_deviation_of_the_gradients(data: Path, tmp_path: Path, objective: str) -> None:
    path = checkpoint(tmp_path, objective)
    found = list(deviation.measure(path, data, [2, 4], 3, 1.0, 0, CPU))
    assert [(result.seconds, result.batches, result.updates) for result in found] == [(2, 3, 7), (4, 3, 7)]
    pretrained = deviation.load_pretrained(path)
    pretrained.model.train()
    deviation._at_update(pretrained.model, 7)
    audio = Audio.open(data, 1.0, data if objective == "hubert" else None)
    vectors = [
        torch.cat([part.flatten() for part in deviation._gradient(pretrained, audio, 2, 0, batch, CPU)])
        for batch in range(3)
    ]
    assert found[0].deviation == pytest.approx(float(torch.stack(vectors).std(0).mean()), rel=1e-3)
    assert list(deviation.measure(path, data, [2, 4], 3, 1.0, 0, CPU))[0].deviation == found[0].deviation, (
        "no update was made"
    )


def test_the_command_prints_a_row_for_each_batch(data: Path, tmp_path: Path) -> None:
    options = ["--data", str(data), "--seconds", "4,2", "--crop", "1", "--batches", "2", "--device", "cpu"]
    command = ["analyse", "gradient-deviation", str(checkpoint(tmp_path, "tera")), *options]
    rows = json.loads(CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False).output)
    assert [row["seconds"] for row in rows] == [2, 4]
    assert "tera.pt" in CliRunner().invoke(app, command, catch_exceptions=False).output


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batches": 1}, "`--batches` must be at least 2"),
        ({"seconds": [0.1]}, "a batch of 0.1 s holds no crop of 1 s"),
        ({"crop": 60.0}, "no utterance lasts 60 s; lower `--crop`"),
    ],
)
def test_what_tells_nothing_is_refused(data: Path, tmp_path: Path, changed: dict[str, object], message: str) -> None:
    options = {"seconds": [2], "batches": 2, "crop": 1.0, "seed": 0, "device": CPU} | changed
    with pytest.raises((BudgetError, ConfigError), match=message):
        list(deviation.measure(checkpoint(tmp_path, "tera"), data, **options))

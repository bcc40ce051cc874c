"""A run from mel frames: its statistics are measured once, and everything behind training knows the front end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.checkpoints.pretrained import load_pretrained
from s3prl_upstreams.upstreams.expert import UpstreamExpert
from tests.integration.conftest import Training, check, run

pytestmark = pytest.mark.integration

MEL = ("frontend=mel", "budget=custom")


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = Training(corpus / "data", tmp_path_factory.mktemp("mel") / "run", "hubert")
    check(training.run(*MEL, "task.budget.updates=8"))
    return training


def test_the_ledger_counts_the_filters_once(trained: Training) -> None:
    shape, spent = load_pretrained(trained.checkpoint).model.model_shape, trained.record["spent"]
    assert trained.record["frontend"] == shape.frontend.name == "mel"
    assert spent["flops"] == training_flops(shape, [16_000]) * spent["samples"] / 16_000


def test_a_run_in_two_parts_ends_as_one_in_one(trained: Training, tmp_path: Path) -> None:
    parts = Training(trained.data, tmp_path / "parts", "hubert")
    check(parts.run(*MEL, "task.budget.updates=3", "schedule=trunk"))
    measured = torch.load(parts.checkpoint)["model"]
    result = check(parts.run(*MEL, "task.budget.updates=8", "schedule=trunk"))
    assert "statistics of the front end" not in result.stdout + result.stderr, "the checkpoint has them"
    whole = Training(trained.data, tmp_path / "whole", "hubert")
    check(whole.run(*MEL, "task.budget.updates=8", "schedule=trunk"))
    expected, found = (torch.load(other.checkpoint)["model"] for other in (whole, parts))
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    name = "feature_extractor.statistics.mean"
    assert torch.equal(measured[name], expected[name]) and bool(expected[name].any())


def test_the_upstream_hears_with_its_statistics(trained: Training) -> None:
    expert = UpstreamExpert(str(trained.checkpoint)).eval()
    assert not expert.model.feature_extractor.needs_statistics
    waves = [0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples)) for samples in (16_000, 9_000)]
    with torch.no_grad():
        together, alone = expert(waves)["last_hidden_state"], expert(waves[1:])["last_hidden_state"]
    torch.testing.assert_close(together[1, : alone.size(1)], alone[0], atol=1e-4, rtol=1e-4)


def test_a_second_round_has_labels_of_its_layer(trained: Training, tmp_path: Path) -> None:
    make = ["fairseq-budget", "labels", str(trained.data), "--label-dir", str(tmp_path / "labels")]
    check(
        run(
            [*make, "--checkpoint", str(trained.checkpoint), "--clusters", "8", "--n-init", "1", "--percent", "100"],
            tmp_path,
        )
    )
    record = json.loads((tmp_path / "labels" / "labels.json").read_text())
    assert record["label_rate"] == 50
    second = Training(trained.data, tmp_path / "second", "hubert")
    check(second.run(*MEL, "task.budget.updates=2", f"task.label_dir={tmp_path / 'labels'}"))


@pytest.mark.parametrize("toolkit", ["fairseq", "hf", "s3prl"])
def test_an_export_is_refused_in_a_line(trained: Training, tmp_path: Path, toolkit: str) -> None:
    result = run(["fairseq-budget", "export", str(trained.checkpoint), "out", "--to", toolkit], tmp_path)
    assert result.returncode == 2
    assert "reads frames of the front end `mel`" in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()

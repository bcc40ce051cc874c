"""Correlations of measures with tasks: their value, their p-value, and what they are refused for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.diagnostics.ranks.correlation import correlations
from fairseq_budget.diagnostics.ranks.look import MEASURES, Look
from fairseq_budget.errors import BudgetError
from tests.unit.report.superb.conftest import record


def a_look(path: Path, rank: float) -> Look:
    """Of two layers, whose ranks are `rank` and its half."""
    layers = [{**dict.fromkeys(MEASURES), "rank_frames": value, "rank_utterances": 3.0} for value in (rank, rank / 2)]
    return Look(path, "hubert slim", 384, 10, 100, layers)


@pytest.fixture
def looks(tmp_path: Path) -> list[Look]:
    """Four checkpoints, the later the higher their rank, and records: KS the higher, ASR (of three) the lower."""
    found = []
    for number in range(4):
        path = tmp_path / f"{number}.pt"
        found.append(a_look(path, 10.0 + number))
        record(tmp_path / "runs" / path.stem / "ks", "ks", {"KS_ACC": 50.0 + number}, checkpoint=str(path))
        if number:
            record(tmp_path / "runs" / path.stem / "asr", "asr", {"ASR_WER": 90.0 + number}, checkpoint=str(path))
    record(tmp_path / "runs" / "other", "ks", {"KS_ACC": 1.0}, checkpoint="/another.pt")
    record(tmp_path / "runs" / "fbank", "ks", {"KS_ACC": 1.0}, upstream="fbank", checkpoint=None)
    return found


def test_more_is_better_whatever_the_metric(looks: list[Look], tmp_path: Path) -> None:
    found = {(one.measure, one.over, one.metric): one for one in correlations(looks, [tmp_path / "runs"], seed=0)}
    assert set(found) == {
        (measure, over, metric)
        for measure in ("rank_frames", "rank_utterances")
        for over in ("mean", "last")
        for metric in ("KS_ACC", "ASR_WER")
    }
    keywords, recognition = found["rank_frames", "last", "KS_ACC"], found["rank_frames", "mean", "ASR_WER"]
    assert (keywords.runs, keywords.rho, keywords.p) == (4, pytest.approx(1), pytest.approx(2 / 24))
    assert (recognition.runs, recognition.rho, recognition.p) == (3, pytest.approx(-1), pytest.approx(2 / 6))
    assert (found["rank_utterances", "last", "KS_ACC"].rho, found["rank_utterances", "last", "KS_ACC"].p) == (None, None)


def test_fewer_than_three_runs_are_refused(looks: list[Look], tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"needs 3 checkpoints .*runs` have one for 2 of those named: name more"):
        correlations(looks[:2], [tmp_path / "runs"], seed=0)
    with pytest.raises(BudgetError, match="have one for 0 of those named"):
        correlations([a_look(tmp_path / f"x{number}.pt", 1.0) for number in range(3)], [tmp_path / "runs"], seed=0)


def test_scores_of_incomplete_corpora_are_left_out(looks: list[Look], tmp_path: Path) -> None:
    """This one would be a second result of its checkpoint otherwise."""
    more = {"incomplete": {"missing": 1, "of": 2}, "checkpoint": str(looks[1].checkpoint)}
    before = correlations(looks, [tmp_path / "runs"], seed=0)
    record(tmp_path / "runs" / "again", "ks", {"KS_ACC": 50.0}, **more)
    assert correlations(looks, [tmp_path / "runs"], seed=0) == before


def test_two_results_of_one_task_are_refused(looks: list[Look], tmp_path: Path) -> None:
    record(tmp_path / "runs" / "again", "ks", {"KS_ACC": 50.0}, checkpoint=str(looks[1].checkpoint))
    with pytest.raises(BudgetError, match=r"two results of `.*1\.pt` on ks, one in `.*`: name one folder"):
        correlations(looks, [tmp_path / "runs"], seed=0)


def test_the_command(speech: Path, checkpoints: list[Path], tmp_path: Path) -> None:
    for number, checkpoint in enumerate(checkpoints):
        record(tmp_path / str(number), "ks", {"KS_ACC": float(number)}, checkpoint=str(checkpoint))
    arguments = ["ranks", *map(str, checkpoints), "--data", str(speech), "--seconds", "1", "--clusters", "6"]
    arguments += ["--with", str(tmp_path)]
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert len(found["correlations"]) == 8
    assert {one["runs"] for one in found["correlations"]} == {3}
    printed = CliRunner().invoke(app, arguments).stdout
    assert "Spearman's rho" in printed
    assert "of so many, about 0.4 have p < 0.05 by chance" in printed

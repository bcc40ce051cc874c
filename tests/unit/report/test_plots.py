"""What the pictures show: their axes are looked into before they become pixels."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.report import plots
from fairseq_budget.report.looks import size_colour
from fairseq_budget.report.study import read_study
from tests.unit.report.conftest import StudyFolder, train_line, valid_line


def test_curves_lie_where_the_log_says(study_folder: StudyFolder) -> None:
    log = [train_line(6, 7.0, 1.5e12), train_line(12, 6.2, 3.06e12), valid_line(6, 7.1), valid_line(12, 6.3)]
    study_folder.pretrain("hubert", "slim", log)
    study_folder.pretrain("tera", "30", None)
    figure = plots.loss_against_flops(read_study(study_folder.out))
    hubert, tera = figure.axes
    train, valid = hubert.lines
    assert (list(train.get_xdata()), list(train.get_ydata())) == ([1.5e12, 3.06e12], [7.0, 6.2])
    assert (list(valid.get_xdata()), list(valid.get_ydata())) == ([1.5e12, 3.06e12], [7.1, 6.3])
    assert (train.get_color(), valid.get_marker()) == (size_colour("slim"), "o")
    assert (hubert.get_ylabel(), hubert.get_title()) == ("loss (bits)", "HuBERT")
    assert (len(tera.lines), tera.texts[0].get_text()) == (0, "no training log")


def test_bars_are_as_long_as_the_scores(study_folder: StudyFolder) -> None:
    study_folder.downstream("tera", "slim", 0.31, 0.29)
    study_folder.downstream("fbank", None, 0.2, None)
    figure = plots.downstream_scores(read_study(study_folder.out).of_task("ks"))
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([29, 0])
    assert [text.get_text() for text in axes.texts] == ["29.0%", "–"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["TERA Slim", "FBANK"]


def test_the_same_study_gives_the_same_bytes(study_folder: StudyFolder, tmp_path: Path) -> None:
    study_folder.pretrain("hubert", "30", [train_line(1, 6.0, 1e12)])
    study = read_study(study_folder.out)
    for name in "ab":
        plots.save(plots.loss_against_flops(study), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_smoothing_follows_the_curve_and_damps_the_noise() -> None:
    assert plots.smoothed([3.0] * 50) == pytest.approx([3.0] * 50)
    noisy = [10 - 0.1 * i + (-1) ** i for i in range(60)]
    line = plots.smoothed(noisy)
    assert line[0] == noisy[0]
    steps = [abs(b - a) for a, b in zip(line[20:], line[21:], strict=False)]
    assert max(steps) < 0.5, "the noise jumps by 2"
    assert line[-1] == pytest.approx(10 - 0.1 * 59, abs=1)

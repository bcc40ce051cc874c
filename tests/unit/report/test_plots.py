"""What the pictures show: their axes are looked into before they become pixels."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from fairseq_budget.report import plots
from fairseq_budget.report.looks import size_colour
from fairseq_budget.report.pictures import save
from fairseq_budget.report.study import read_study
from tests.unit.report.conftest import StudyFolder, train_line, valid_line


def hubert_panel(folder: StudyFolder) -> plots.CurvePanel:
    """The only one."""
    (panel,) = plots.curve_panels(read_study(folder.out).pretrain)
    return panel


def test_curves_lie_where_the_log_says(study_folder: StudyFolder) -> None:
    log = [train_line(6, 7.0, 1.5e12), train_line(12, 6.2, 3.06e12), valid_line(6, 7.1), valid_line(12, 6.3)]
    study_folder.pretrain("hubert", "slim", log, guessing_loss=6.5)
    study_folder.pretrain("tera", "30", None)
    axes = plots.loss_against_flops(hubert_panel(study_folder)).axes[0]
    train, valid, guessing = axes.lines
    assert (list(train.get_xdata()), list(train.get_ydata())) == ([1.5e12, 3.06e12], pytest.approx([7.0, 6.2], abs=1e-6))
    assert (list(valid.get_xdata()), list(valid.get_ydata())) == ([1.5e12, 3.06e12], [7.1, 6.3])
    assert (train.get_color(), valid.get_marker()) == (size_colour("slim"), "o")
    assert list(guessing.get_ydata()) == [6.5, 6.5]
    assert (axes.get_ylabel(), axes.get_title()) == ("loss ↓ (bits)", "HuBERT, 3.00 TFLOP")
    assert [text.get_text() for text in axes.texts] == ["guessing", "Slim (20.0 M)"], "names stand beside curves"


def with_terms(updates: int, flops: float, **terms: float) -> str:
    """A training line with the parts of its loss."""
    stats = {"loss": sum(terms.values()), "num_updates": updates, "flops": flops}
    return json.dumps(stats | {f"loss_{name}": value for name, value in terms.items()})


def test_the_objectives_own_term_is_drawn_and_penalties_apart(study_folder: StudyFolder) -> None:
    log = [with_terms(6, 1.5e12, contrastive=6.0, diversity=0.1, features_pen=0.5)]
    study_folder.pretrain("wav2vec2", "slim", log)
    panel = hubert_panel(study_folder)
    train, _, guessing = plots.loss_against_flops(panel).axes[0].lines
    assert list(train.get_ydata()) == [6.0]
    assert list(guessing.get_ydata()) == pytest.approx([math.log2(101)] * 2), "one of 100 distractors and the positive"
    penalties = plots.penalties_against_flops(panel)
    assert penalties is not None
    assert [list(line.get_ydata()) for line in penalties.axes[0].lines[:2]] == [[0.1], [0.5]]


def test_nothing_is_drawn_of_penalties_that_are_zero(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim", [with_terms(6, 1.5e12, prediction=6.0, features_pen=0.0)])
    assert plots.penalties_against_flops(hubert_panel(study_folder)) is None


def test_teras_line_of_guessing_is_the_best_constant_of_its_log(study_folder: StudyFolder) -> None:
    valid = {"valid_loss": 0.6, "valid_num_updates": 12, "valid_loss_reconstruction": 0.6, "valid_loss_constant": 0.79}
    study_folder.pretrain("tera", "slim", [train_line(6, 0.7, 1.5e12), json.dumps(valid)])
    (run,) = read_study(study_folder.out).pretrain
    assert run.guessing == 0.79


def test_budgets_have_panels_of_their_own(study_folder: StudyFolder) -> None:
    for budget in (1e12, 3e12):
        folder = study_folder.pretrain("hubert", "slim", [train_line(6, 7.0, 1e12)], budget={"flops": budget})
        folder.rename(folder.with_name(f"{budget:g}"))
    panels = plots.curve_panels(read_study(study_folder.out).pretrain)
    assert [panel.title for panel in panels] == ["HuBERT, 1.00 TFLOP", "HuBERT, 3.00 TFLOP"]


def test_noise_does_not_fill_the_axis(study_folder: StudyFolder) -> None:
    for seed, loss in enumerate((6.2, 6.3)):
        study_folder.pretrain("hubert", "slim", [train_line(6, loss, 3e12)]).rename(
            study_folder.out / "pretrain" / f"seed{seed}"
        )
    low, high = plots.loss_against_flops(hubert_panel(study_folder)).axes[0].get_ylim()
    assert high - low > 0.8, "twelve times the 0.07 that seeds make"


@pytest.mark.filterwarnings("error")
def test_a_long_name_leaves_room_for_the_bars(study_folder: StudyFolder, tmp_path: Path) -> None:
    study_folder.downstream("somebody/" + "a-model-with-a-long-name-" * 8, None, 0.3, 0.3)
    save(plots.downstream_scores(read_study(study_folder.out).of_task("ks")), tmp_path / "a.png")


def test_names_are_moved_apart_in_their_order() -> None:
    assert plots.spread([5.0, 1.0, 1.1], 0.5) == [5.0, 1.0, 1.5]


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
    for ending in (".svg", ".pdf"):
        for name in "ab":
            save(plots.loss_against_flops(hubert_panel(study_folder)), tmp_path / f"{name}{ending}")
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()

"""What the picture of sizes shows: its axes are looked into before they become pixels."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.axes import Axes

from fairseq_budget import published
from fairseq_budget.report.looks import budget_colour
from fairseq_budget.report.size_plot import label_place, loss_against_size, published_curve
from fairseq_budget.report.study import read_study
from tests.unit.report.conftest import StudyFolder


def panels(folder: StudyFolder) -> tuple[Axes, Axes]:
    """Ours and the paper's, of HuBERT."""
    figures = loss_against_size("hubert", read_study(folder.out).of_objective("hubert")), published_curve("hubert")
    ours, paper = (figure.axes[0] for figure in figures if figure is not None)
    return ours, paper


def points(axes: Axes) -> list[tuple[float, float]]:
    """Of the first line."""
    return list(zip(axes.lines[0].get_xdata(), axes.lines[0].get_ydata(), strict=True))


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_the_papers_curve_is_in_a_panel_of_its_own(study_folder: StudyFolder) -> None:
    for size, loss in (("30", 6.4), ("slim", 6.1), ("base", 6.3)):
        study_folder.pretrain("hubert", size, metrics={"valid_loss": loss})
    ours, paper = panels(study_folder)
    assert points(ours) == [(30, 6.4), (100, 6.1), (473, 6.3)]
    assert texts(ours) == ["6.400", "6.100", "6.300", "3.00 TFLOP"]
    rows = pd.DataFrame(published.u_curve()).query("objective == 'hubert'")
    assert list(paper.lines[0].get_ydata()) == list(rows["valid_loss"])
    assert "published" in paper.get_title()


def test_each_budget_has_a_curve_and_each_seed_a_mark(study_folder: StudyFolder) -> None:
    for budget, losses in ((1e12, (6.0, 6.2)), (3e12, (5.5, 6.0))):
        for seed, loss in enumerate(losses):
            changes = {"metrics": {"valid_loss": loss}, "budget": {"flops": budget}, "guessing_loss": 6.5}
            study_folder.pretrain("hubert", "30", None, **changes).rename(
                study_folder.out / "pretrain" / f"{budget:g}-{seed}"
            )
    ours, _ = panels(study_folder)
    means = [line for line in ours.lines if line.get_marker() == "None"]
    assert [list(line.get_ydata()) for line in means] == [[6.1], [5.75], [6.5, 6.5]]
    assert [line.get_color() for line in means[:2]] == [budget_colour(0, 2), budget_colour(1, 2)]
    assert [list(line.get_ydata()) for line in ours.lines if line.get_marker() == "_"] == [[6.0, 6.2], [5.5, 6.0]]
    assert texts(ours) == ["6.100", "1.00 TFLOP", "5.750", "3.00 TFLOP", "guessing"]


@pytest.mark.parametrize(("first", "last", "place"), [(6.45, 6.0, 0.99), (6.0, 6.45, 0.01)])
def test_guessing_is_named_where_curves_leave_room(
    study_folder: StudyFolder, first: float, last: float, place: float
) -> None:
    for size, loss in (("30", first), ("slim", last)):
        study_folder.pretrain("hubert", size, metrics={"valid_loss": loss}, guessing_loss=6.5)
    (name,) = [text for text in panels(study_folder)[0].texts if text.get_text() == "guessing"]
    assert name.get_position()[0] == place
    assert name.get_zorder() < 1, "curves are drawn over it"


def test_a_hair_does_not_fill_the_axis(study_folder: StudyFolder) -> None:
    for size, loss in (("30", 6.01), ("slim", 6.0)):
        study_folder.pretrain("hubert", size, metrics={"valid_loss": loss})
    low, high = panels(study_folder)[0].get_ylim()
    assert high - low > 0.3


def test_unfinished_runs_are_not_in_the_comparison(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", spent={"flops": 1e12, "updates": 4})
    assert texts(panels(study_folder)[0]) == ["no finished run to compare"]


@pytest.mark.parametrize(
    ("losses", "places"),
    [
        ([6.4, 6.1, 6.3], [(0, 14), (0, -14), (0, 14)]),
        ([5.5, 5.4, 5.55, 5.8], [(0, 14), (0, -14), (10, -14), (0, 14)]),
        ([6.0, 5.4, 5.2], [(0, 14), (-10, -14), (0, -14)]),
        ([5.0, 5.4, 5.5], [(0, -14), (-10, 14), (0, 14)]),
        ([6.0], [(0, 14)]),
    ],
)
def test_a_label_lies_where_no_line_runs(losses: list[float], places: list[tuple[int, int]]) -> None:
    """Above the ends of a U and below its middle, on the outside of a slope."""
    assert [label_place(losses, place) for place in range(len(losses))] == places

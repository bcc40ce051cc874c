"""A study's page, tables and findings, from records."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.gradients import GradientDeviation, GradientRecord
from fairseq_budget.records.recognition import Recognised, RecognitionRecord
from fairseq_budget.records.resources import DownstreamBatch, DownstreamResourcesRecord, ResourcesRecord, StepResources
from fairseq_budget.report.noise import pooled_deviation
from fairseq_budget.report.pictures import save
from fairseq_budget.report.studies.figure import metric_figure
from fairseq_budget.report.studies.findings import sentences
from fairseq_budget.report.studies.page import write_study_report
from fairseq_budget.report.studies.points import Found, StudyPoint, read_points
from fairseq_budget.report.studies.table import own_table, plain, published_table
from fairseq_budget.studies import STUDIES
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import DOWNSTREAM, GRADIENTS, MINI, RECOGNITION, RESOURCES, Axis, Cell, Published, Study
from tests.unit.report.pages import check_page

LOSSES = {10.0: (5.0, 5.2), 20.0: (4.0, 4.2), 40.0: (4.2, 4.3)}
"""By size, a seed each."""


PUBLISHED = [
    Published("hubert", "HuBERT, 1 TFLOP", 20.0, {"valid_loss": 3.5}),
    Published("tera", "TERA", 30.0, {"valid_loss": 1}),
]


def cells(scale: str) -> list[Cell]:
    return [Cell(f"hubert-{x:g}", "hubert", (), "HuBERT, 1 TFLOP", x, tasks=("ks",)) for x in LOSSES]


STUDY = Study(
    "sizes",
    "Sizes",
    "Somebody 2024, figure 2",
    Axis("size, %"),
    cells,
    lambda: [
        Published("hubert", "HuBERT, 1 TFLOP", 20.0, {"valid_loss": 3.5}),
        Published("tera", "TERA", 30.0, {"valid_loss": 1}),
    ],
    ("valid_loss", "train_loss", "KS_ACC"),
    {MINI: ("It isn't the paper.",)},
)


def write(place: Place, cell: Cell, loss: float | None, spent: float = 1e12, updates: int = 7, **more: object) -> None:
    place.run(cell).mkdir(parents=True)
    told = {"kind": "pretrain", "schema_version": 2, "objective": "hubert", "size": "slim", "params": 20_000_000}
    told |= {"budget": {"flops": 1e12}, "spent": {"flops": spent, "updates": updates, "hours_heard": 2.0}, "seed": cell.seed}
    told |= {"metrics": {"valid_loss": loss}, "loss_unit": "bits"}
    place.record(cell).write_text(json.dumps(told | more))


def score(place: Place, cell: Cell, value: float, **more: object) -> None:
    path = place.score(cell, "ks")
    path.parent.mkdir(parents=True)
    told = {"kind": "downstream", "task": "ks", "upstream": "budget_local", "objective": "hubert", "test": value / 100}
    path.write_text(json.dumps(told | {"scores": {"KS_ACC": value}} | more))


def recognised(place: Place, cell: Cell) -> None:
    results = [
        Recognised(set="valid", decoder=decoder, wer=wer, cer=10.0, utterances=9, words=99, hours=0.1)
        for decoder, wer in (("letters", 60.0), ("words", 30.0))
    ]
    path, model = place.score(cell, RECOGNITION), str(place.checkpoint(cell))
    RecognitionRecord.of(objective="wav2vec2", checkpoint=model, checkpoint_sha256="0", results=results).write(path)


def downstream(place: Place, cell: Cell) -> None:
    slower, task = 1 + cell.name.endswith("unfrozen"), cell.options[0]
    batches = [DownstreamBatch(utterances=4, audio_seconds=9, step_seconds=slower * second) for second in (1, 2, 9)]
    told = {"task": task, "upstream": "random_30", "unfrozen": slower == 2, "device": "a", "peak_bytes": 3e9}
    record = DownstreamResourcesRecord.of(**told, batches=batches, memory=[[0.0, 0], [0.5, 3e9]])
    record.write(place.score(cell, DOWNSTREAM))


def deviating(place: Place, cell: Cell) -> None:
    one = GradientDeviation(checkpoint="c", updates=150, seconds=cell.x, deviation=1 / cell.x, norm=0.1)
    GradientRecord.of(results=[one]).write(place.score(cell, GRADIENTS))


def stepping(place: Place, cell: Cell) -> None:
    one = StepResources(seconds=cell.x, utterances=2, precision="fp32", flops=10**9, out_of_memory=False, step_seconds=0.5)
    ResourcesRecord.of(objective="wav2vec2", size="base", device="here", results=[one]).write(place.score(cell, RESOURCES))


MAKE = {
    "ks": lambda place, cell: score(place, cell, 50.0),
    RECOGNITION: recognised,
    GRADIENTS: deviating,
    RESOURCES: stepping,
    DOWNSTREAM: downstream,
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    for cell in STUDY.runs(MINI, 2):
        write(made, cell, LOSSES[cell.x][cell.seed - 1337])
        score(made, cell, 40 + cell.x)
    return made


def test_seeds_are_one_point_and_published_numbers_stand_beside(place: Place) -> None:
    found = read_points(STUDY.runs(MINI, 2), place)
    assert [(point.x, point.values["valid_loss"]) for point in found.points] == list(LOSSES.items())
    rows = own_table(STUDY, found)
    assert rows["validation loss ↓"].tolist() == ["5.100 ± 0.141", "4.100 ± 0.141", "4.250 ± 0.071"]
    assert rows["validation loss ↓ (paper)"].tolist() == ["", "3.500", ""]
    assert rows["KS Acc ↑"].tolist() == ["50.00 ± 0.00", "60.00 ± 0.00", "80.00 ± 0.00"]
    assert published_table(STUDY)["series"].tolist() == ["HuBERT, 1 TFLOP", "TERA"]
    assert len(plain(STUDY, found)) == 6 + 2


def test_what_was_found_is_told_with_its_chance(place: Place) -> None:
    """Deviations 0.141, 0.141 and 0.071 pool to 0.122: of two points of two seeds, 0.24 may be chance."""
    found = read_points(STUDY.runs(MINI, 2), place)
    assert pooled_deviation(point.values["valid_loss"] for point in found.points) == pytest.approx(0.1225, abs=1e-4)
    loss, keywords = sentences(STUDY, found)
    assert loss.startswith(
        "HuBERT, 1 TFLOP: validation loss is lowest, 4.1, at 20 (size, %), 0.15 from 40, which is within the 0.24"
    )
    assert loss.endswith("call it a tie.")
    assert "KS Acc is highest, 80.0, at 40" in keywords
    assert keywords.endswith("it is at the end of what was tried, the true one may lie beyond.")


def test_one_seed_tells_nothing_of_chance(place: Place) -> None:
    loss, _ = sentences(STUDY, read_points(STUDY.runs(MINI, 1), place))
    assert "one seed each, so how much of that is chance isn't known" in loss


def test_what_cannot_be_compared_is_left_out_and_told(tmp_path: Path) -> None:
    place, (first, second, third) = Place(tmp_path), STUDY.runs(MINI)
    write(place, first, 5.0, spent=4e11)
    write(place, second, 4.0, versions={"torch": "2.0"}, data={"digests": {"valid": "a"}})
    write(place, third, 4.5, versions={"torch": "2.1"}, data={"digests": {"valid": "b"}})
    score(place, second, 60, incomplete={"missing": 1, "of": 2})
    found = read_points([*STUDY.runs(MINI), Cell("not-there", "hubert", (), "HuBERT", 1)], place)
    assert [point.x for point in found.points] == [20.0, 40.0]
    assert found.having("KS_ACC") == [], "of an incomplete corpus"
    assert list(found.remarks) == [
        "hubert-10: 40.0% of its budget is spent; it is left out.",
        "not-there: not trained yet.",
        "Not all cells can be compared: they were validated on different audio.",
        "Not all cells can be compared: they were trained with different versions of torch.",
    ]


def test_a_collapsed_cell_is_left_out_and_told(tmp_path: Path) -> None:
    place, (first, second, _) = Place(tmp_path), STUDY.runs(MINI)
    write(place, first, None, metrics={"valid_loss": 0.01, "monitored": {"code_perplexity_1": 1.0}})
    write(place, second, 4.0)
    found = read_points([first, second], place)
    assert [point.values["valid_loss"] for point in found.points] == [(4.0,)]
    assert found.remarks[0].startswith("hubert-10: its loss says nothing") and found.remarks[0].endswith("it is left out.")


def test_the_page_needs_no_other_file(place: Place) -> None:
    page = write_study_report(STUDY, MINI, place, 2)
    text = page.read_text(encoding="utf-8")
    assert "It isn&#39;t the paper." in text and "Somebody 2024, figure 2" in text
    assert text.count("data:image/svg+xml;base64,") == 3 and "http" not in text.replace("http-equiv", "")
    rows = list(csv.DictReader((page.parent / "table.csv").read_text().splitlines()))
    check_page(text)
    assert rows[0]["valid_loss"] == "5.0" and rows[-1]["who"] == "paper"
    tex = (page.parent / "table.tex").read_text()
    assert r"$\downarrow$" in tex and r"\%" in tex and "↓" not in tex


@pytest.mark.filterwarnings("error")
def test_long_names_leave_room_for_the_curves(tmp_path: Path) -> None:
    long = "an upstream of somebody else, from a folder with a long name, " * 2
    points = [StudyPoint("hubert", long, float(x), ("c",), {"KS_ACC": (50.0 + x,)}, (), (), {}) for x in range(6)]
    axis = Axis(long, {float(x): f"{long}{x}" for x in range(6)})
    study = Study("long", long, long, axis, lambda scale: [], lambda: [], ("KS_ACC",), {})
    save(metric_figure(study, Found(tuple(points), ()), "KS_ACC"), tmp_path / "long.png")


def test_a_study_without_a_finished_cell_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no cell of sizes is done in .*: `fairseq-budget study run sizes --scale mini`"):
        write_study_report(STUDY, MINI, Place(tmp_path))


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_study_has_a_page(study: Study, tmp_path: Path) -> None:
    """Figures of every axis, with published panels and without."""
    place = Place(tmp_path)
    for cell in study.runs(MINI):
        if cell.trained:
            kind = "finetune" if cell.fine_tuned else "pretrain"
            write(place, cell, 4 + cell.x / 1000, updates=600, kind=kind)
        elif cell.looks_at is not None:
            place.checkpoint(cell).parent.mkdir(exist_ok=True)
            place.checkpoint(cell).touch()
        for task in cell.tasks:
            MAKE[task](place, cell)
    found = read_points(study.runs(MINI), place)
    assert len(found.points) == len({(cell.series, cell.x) for cell in study.runs(MINI) if not cell.auxiliary})
    assert all(point.values for point in found.points)
    for key in (key for key in study.columns if found.having(key)):
        their_key = study.counterparts.get(key, key)
        has_published = any(their_key in point.values for point in study.published())
        assert len(metric_figure(study, found, key).subfigs) == (2 if has_published else 0)
    text = write_study_report(study, MINI, place).read_text(encoding="utf-8")
    assert study.title in text and f"Published: {study.source}" in text


def test_losses_on_further_sets_stand_under_their_names(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for cell in cells(MINI):
        losses = {"valid_loss": 4.0, "valid_set": "clean", "valid_losses": {"clean": 4.0, "other": cell.x}}
        write(place, cell, 4.0, metrics=losses)
    page = write_study_report(STUDY, MINI, place).read_text(encoding="utf-8")
    assert "validation on other loss is lowest, 10" in page and "on clean" not in page
    rows = list(csv.DictReader((place.report("sizes") / "table.csv").read_text().splitlines()))
    assert [row["valid_loss_on_other"] for row in rows if row["who"] == "study"] == ["10.0", "20.0", "40.0"]
    assert (place.report("sizes") / "valid_loss_on_other.png").is_file()


def test_downstream_batches_stand_beside_the_published_ones(tmp_path: Path) -> None:
    study, place = STUDIES["downstream_resources"], Place(tmp_path)
    for cell in study.cells(MINI):
        downstream(place, cell)
    page = write_study_report(study, MINI, place).read_text(encoding="utf-8")
    found = read_points(study.cells(MINI), place)
    assert [point.mean("step_seconds") for point in found.points] == [2, 2, 2, 4, 4, 4]
    assert "Jetson Xavier NX: upstream unfrozen" in page and (place.report(study.name) / "memory.png").is_file()
    published = {(point.series, point.x): point.values["step_seconds"] for point in study.published()}
    assert published["Raspberry Pi 4: upstream frozen", 0] == 47.16
    assert math.isnan(published["Jetson Xavier NX: upstream frozen", 4]), "out of memory"
    assert "OOM" in page and "nan" not in published_table(study).to_string()
    assert sentences(study, found) == [], "that a task's batch takes less than another's is no finding"

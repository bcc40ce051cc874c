"""The page as a browser gets it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.records.first_look import FirstLookRecord, LookEntry
from fairseq_budget.report.column import write_columns
from fairseq_budget.report.page import write_report
from fairseq_budget.report.study import read_study
from tests.unit.report.conftest import StudyFolder, train_line, valid_line
from tests.unit.report.pages import Elements, check_page, in_browser, needs_browser


@pytest.fixture
def full_study(study_folder: StudyFolder) -> StudyFolder:
    """Two objectives, two sizes, one downstream result and FBANK."""
    return filled(study_folder)


@pytest.fixture(scope="module")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page, for those who only read it."""
    return write_report(filled(StudyFolder(tmp_path_factory.mktemp("full") / "study")).out)


def filled(study_folder: StudyFolder) -> StudyFolder:
    """With the runs of a full study."""
    for objective in ("hubert", "tera"):
        for size, loss in (("30", 6.5), ("slim", 6.25)):
            log = [train_line(6, 7.0, 1.5e12), valid_line(12, loss)]
            study_folder.pretrain(objective, size, log, metrics={"train_loss": 6.0, "valid_loss": loss})
    study_folder.downstream("tera", "slim", 0.31, 0.291)
    study_folder.downstream("fbank", None, 0.21, 0.187)
    return study_folder


def page_of(folder: StudyFolder) -> str:
    return write_report(folder.out).read_text(encoding="utf-8")


def tables_of(html: str) -> list[list[list[str]]]:
    """Cells of every row of every table."""
    rows_of = [re.findall(r"<tr.*?</tr>", table, re.DOTALL) for table in re.findall(r"<table.*?</table>", html, re.DOTALL)]
    return [[re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows] for rows in rows_of]


def test_a_first_look_is_on_the_page_of_the_study_that_it_is_in(full_study: StudyFolder) -> None:
    assert "Features, before any task" not in page_of(full_study)
    layers = [{"rank_frames": 12.34, "abx_across": 0.135, "phones_pnmi": None}, {"rank_frames": 20.0, "abx_across": None}]
    entry = {
        "checkpoint": "/x/tera-slim/checkpoints/checkpoint_last.pt",
        "upstream": "TERA Slim",
        "utterances": 9,
        "frames": 99,
    }
    measures = {"rank_frames": "rank, frames", "phones_pnmi": "PNMI, phones", "abx_across": "ABX across"}
    results = [LookEntry(**entry, layers=layers)]
    FirstLookRecord.of(measures=measures, results=results).write(full_study.out / "look" / "record.json")
    page = page_of(full_study)
    assert "Features, before any task" in page and "look" not in re.findall(r"<td>(\w+): unfinished", page)
    assert [
        ["run", "layer", "rank, frames", "ABX across"],
        ["tera-slim", "0", "12.3", "0.135"],
        ["tera-slim", "1", "20.0", "–"],
    ] in tables_of(page)


def test_the_tables_on_the_page_hold_the_numbers_of_the_records(full_page: Path) -> None:
    losses, results, paper, costs, forecasts, origins = tables_of(full_page.read_text(encoding="utf-8"))
    assert ["tera-slim", "TERA", "Slim", "100", "20.0 M", "3.00 TFLOP", "6.000", "6.250", "–", "L1"] in losses
    assert ["TERA Slim", "31.0%", "29.1%", "–", "30", "40", "0.0001", "33.0 s"] in results
    assert ["HuBERT", "93.51%", "89.39%"] in paper
    assert costs[-1][:6] == ["total", "", "", "12.24 TFLOP", "", "48"]
    assert forecasts[1][:3] == ["hubert-30", "250.00 GFLOP", "255.00 GFLOP (+2.0%)"]
    assert "0123abc" in origins[1]


def test_headline_and_gaps_are_on_the_page(full_page: Path) -> None:
    text = Elements(full_page.read_text(encoding="utf-8")).text
    assert "HuBERT: of 2 sizes at 3.00 TFLOP each, Slim (20.0 M parameters) reached the lowest" in text
    assert "KS, highest test score: TERA Slim (29.1%)." in text
    assert "FBANK reached 18.7%." in text
    assert "they made 12 updates" in text
    assert "No downstream result for hubert-30, hubert-slim, tera-30." in text
    assert "after 200,000 steps on the task's real corpus" in re.sub(r"\s+", " ", text)
    assert "fairseq-hydra-train --config-name tera size=slim" in text


def test_the_pictures_are_embedded_and_beside_the_page(full_page: Path) -> None:
    images = Elements(full_page.read_text(encoding="utf-8")).of("img")
    prefix = "data:image/svg+xml;base64,"
    embedded = [base64.b64decode(str(image["src"]).removeprefix(prefix)).decode() for image in images]
    names = [path.stem for path in (full_page.parent).glob("*.png")]
    assert len(embedded) == len(names) == 7, "two objectives: losses by size, here and published, by FLOPs; one task"
    assert all((full_page.parent / f"{name}.svg").is_file() for name in names)
    assert all("prefers-color-scheme:dark" in svg for svg in embedded)
    assert all(image["alt"] for image in images)


def test_the_page_needs_no_network_and_one_script_alone(full_page: Path) -> None:
    elements = check_page(full_page.read_text(encoding="utf-8"))
    (policy,) = (meta["content"] for meta in elements.of("meta") if "http-equiv" in meta)
    assert policy is not None and policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy


def test_caution_stands_before_what_was_found_and_commands_are_folded(full_page: Path) -> None:
    html = full_page.read_text(encoding="utf-8")
    told = ("as a check that everything works", "What was found", "reached the lowest", "<details")
    order = [html.index(text) for text in told]
    assert order == sorted(order)
    assert "the checkpoint with the best score on dev was chosen" in Elements(html).text


def test_headings_tell_what_is_better_and_in_what_unit(full_page: Path) -> None:
    headings = {cell for table in tables_of(full_page.read_text(encoding="utf-8")) for cell in table[0]}
    assert {"validation loss ↓", "unit of losses", "acc ↑ (%), test", "wall time ↓", "size (% of Slim)"} <= headings


@needs_browser
def test_a_browser_runs_the_script_and_follows_the_dark(full_page: Path, tmp_path: Path) -> None:
    assert '<th scope="col" tabindex="0">run</th>' in in_browser(full_page, "--dump-dom"), "the policy lets the script run"
    shot = tmp_path / "dark.png"
    in_browser(full_page, "--window-size=500,400", "--blink-settings=preferredColorScheme=0", f"--screenshot={shot}")
    with Image.open(shot) as image:
        assert image.convert("RGB").getpixel((2, 2)) == (26, 26, 26)


def test_figures_for_a_papers_column(study_folder: StudyFolder, tmp_path: Path) -> None:
    study_folder.pretrain("hubert", "slim")
    written = write_columns(read_study(study_folder.out), tmp_path, 3.25)
    assert [path.name for path in written] == ["loss-against-size-hubert.pdf", "loss-against-size-hubert.svg"]
    assert 'width="234pt"' in written[1].read_text(), "3.25 inches of 72 points"
    assert written[0].read_bytes().startswith(b"%PDF")
    with pytest.raises(ConfigError, match="`--column-width` must be from 2 to 12 inches, but is 0.1"):
        write_columns(read_study(study_folder.out), tmp_path, 0.1)


def test_an_isoflop_fit_is_embedded_where_there_are_enough_sizes(study_folder: StudyFolder) -> None:
    for size, loss in (("30", 6.4), ("slim", 6.1), ("base", 6.5)):
        study_folder.pretrain("hubert", size, metrics={"valid_loss": loss})
    text = Elements(page_of(study_folder)).text
    assert "HuBERT: at 3.06 TFLOP a parabola's optimum is" in text
    assert (study_folder.out / "report" / "isoflop-hubert-0.svg").is_file()


def test_what_records_say_is_text_and_never_markup(study_folder: StudyFolder) -> None:
    evil = "<script>alert('x')</script>&amp;"
    study_folder.pretrain("hubert", "30", command=evil, versions={evil: evil}, git=evil, loss_unit=evil)
    study_folder.downstream("hubert", "30", 0.3, 0.3, task=evil, upstream=evil, size=evil, metric=evil)
    elements = Elements(page_of(study_folder))
    assert len(elements.of("script")) == 1, "ours"
    assert elements.text.count(evil) >= 4


@pytest.mark.parametrize("log", [None, [], ["not JSON"]])
def test_a_page_without_logs_and_downstream(study_folder: StudyFolder, log: list[str] | None) -> None:
    study_folder.pretrain("hubert", "30", log)
    text = Elements(page_of(study_folder)).text
    assert "hubert-30: its train.log" in text
    assert "There is no downstream result yet." in text
    assert "No downstream run has a record." in text


def test_a_page_of_downstream_runs_only(study_folder: StudyFolder) -> None:
    study_folder.downstream("fbank", None, 0.21, 0.187)
    text = Elements(page_of(study_folder)).text
    assert "No pre-training run has left a record" in text
    assert "KS: no pre-trained upstream has a test score." in text
    assert "18.7%" in text


def test_the_command_prints_where_the_page_is(full_study: StudyFolder, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(full_study.out), "--to", str(tmp_path / "elsewhere")])
    assert result.exit_code == 0
    assert result.stdout == f"report: {tmp_path / 'elsewhere' / 'index.html'}\n"
    assert (tmp_path / "elsewhere" / "index.html").is_file()
    assert not (full_study.out / "report").exists()


def test_the_command_refuses_an_empty_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert isinstance(result.exception, BudgetError)


def test_a_file_in_place_of_the_folder_is_named(full_study: StudyFolder, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BudgetError, match="taken: no page can be written there"):
        write_report(full_study.out, tmp_path / "taken")

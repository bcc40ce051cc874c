"""The page as a browser gets it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError
from fairseq_budget.report.page import write_report
from tests.unit.report.conftest import StudyFolder, train_line, valid_line


class Elements(HTMLParser):
    """All start tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def full_study(study_folder: StudyFolder) -> StudyFolder:
    """Two objectives, two sizes, one downstream result and FBANK."""
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
    rows_of = [re.findall(r"<tr.*?</tr>", table, re.DOTALL) for table in re.findall(r"<table>.*?</table>", html, re.DOTALL)]
    return [[re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows] for rows in rows_of]


def test_the_tables_on_the_page_hold_the_numbers_of_the_records(full_study: StudyFolder) -> None:
    losses, results, paper, costs, forecasts, origins = tables_of(page_of(full_study))
    assert ["tera-slim", "TERA", "Slim", "100", "20.0 M", "6.000", "6.250", "L1"] in losses
    assert ["TERA Slim", "31.0%", "29.1%", "30", "40", "0.0001", "33.0 s"] in results
    assert ["HuBERT", "93.51%", "89.39%"] in paper
    assert costs[-1][:6] == ["total", "", "", "12.24 TFLOP", "", "48"]
    assert forecasts[1][:3] == ["hubert-30", "250.00 GFLOP", "255.00 GFLOP (+2.0%)"]
    assert "0123abc" in origins[1]


def test_headline_and_gaps_are_on_the_page(full_study: StudyFolder) -> None:
    text = Elements(page_of(full_study)).text
    assert "HuBERT: of 2 sizes at 3.00 TFLOP each, Slim (20.0 M parameters) reached the lowest" in text
    assert "KS, best test score: TERA Slim (29.1%)." in text
    assert "FBANK reached 18.7%." in text
    assert "they made 12 updates" in text
    assert "No downstream result for hubert-30, hubert-slim, tera-30." in text
    assert "after 200,000 steps on the task's real corpus" in re.sub(r"\s+", " ", text)
    assert "fairseq-hydra-train --config-name tera size=slim" in text


def test_the_pictures_are_embedded_and_beside_the_page(full_study: StudyFolder) -> None:
    html = page_of(full_study)
    images = [attributes for tag, attributes in Elements(html).tags if tag == "img"]
    embedded = [base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,")) for image in images]
    names = ("loss-against-flops.png", "loss-against-size.png", "downstream-ks.png")
    assert embedded == [(full_study.out / "report" / name).read_bytes() for name in names]
    assert all(png.startswith(b"\x89PNG") and len(png) > 5000 for png in embedded)
    assert all(image["alt"] for image in images)


def test_the_page_needs_no_network_and_runs_nothing(full_study: StudyFolder) -> None:
    elements = Elements(page_of(full_study))
    assert not {tag for tag, _ in elements.tags} & {"script", "link", "iframe", "object", "a"}
    sources = [value or "" for _, attributes in elements.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|@import|url\(", page_of(full_study))


def test_what_records_say_is_text_and_never_markup(study_folder: StudyFolder) -> None:
    evil = "<script>alert('x')</script>&amp;"
    study_folder.pretrain("hubert", "30", command=evil, versions={evil: evil}, git=evil, loss_unit=evil)
    study_folder.downstream("hubert", "30", 0.3, 0.3, task=evil, upstream=evil, size=evil, metric=evil)
    elements = Elements(page_of(study_folder))
    assert "script" not in {tag for tag, _ in elements.tags}
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

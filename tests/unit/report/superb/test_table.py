"""Rows of a study and of papers, and the four formats."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.records.results import read_results
from fairseq_budget.report.superb import formats
from fairseq_budget.report.superb.references import published_rows
from fairseq_budget.report.superb.score import read_scale
from fairseq_budget.report.superb.table import SuperbTable, collate
from tests.unit.report.conftest import predictions
from tests.unit.report.pages import check_page
from tests.unit.report.superb.conftest import record

PAPERS = ("table2",)


@pytest.fixture
def table(tmp_path: Path) -> SuperbTable:
    """Slim with KS and SF, whose recipe is shortened, and FBANK with KS."""
    record(tmp_path / "slim" / "ks", "ks", {"KS_ACC": 53.245})
    changed = {"runner.total_steps": 2}
    record(tmp_path / "slim" / "sf", "sf", {"SF_F1": 80.0, "SF_CER": 30.0}, sweep={"changed": changed})
    fbank = {"upstream": "fbank", "objective": "fbank", "size": None, "checkpoint": None}
    record(tmp_path / "fbank_50%" / "ks", "ks", {"KS_ACC": 41.3826674}, **fbank)
    return collate(read_results([tmp_path]), PAPERS, read_scale())


def test_rows_and_columns(table: SuperbTable) -> None:
    titles = "ASR WER ↓, PR PER ↓, ASV EER ↓, SD DER ↓, SF CER ↓, SF F1 ↑, KS Acc ↑, IC Acc ↑, SID Acc ↑, ER Acc ↑"
    assert ", ".join(column.title for column in table.columns) == titles
    groups = {group: [row.name for row in rows] for group, rows in table.groups}
    assert groups["This study"] == ["FBANK", "HuBERT Slim"]
    assert len(groups["Liu et al. 2024, arXiv 2409.16295"]) == 6
    fbank, slim = table.rows[:2]
    assert slim.values == {"KS_ACC": 53.245, "SF_F1": 80.0, "SF_CER": 30.0}
    assert slim.score is not None
    assert slim.score.tasks == ("SF", "KS")
    assert fbank.score is not None
    assert fbank.score.value == 0.0


def test_published_rows_are_the_files() -> None:
    assert dict(published_rows("table2"))["wav2vec 2.0 Slim"]["ASR_WER"] == 17.01
    rows = dict(published_rows("batchsize"))
    assert len(rows) == 28
    assert rows["batch 10 min, 400 k updates"] == {
        "PR_PER": 8.41,
        "ASR_WER": 9.79,
        "ASR_zh_CER": 24.69,
        "ASV_EER": 6.18,
        "ER_ACC": 63.05,
        "IC_ACC": 96.52,
    }
    lengths = dict(published_rows("seqlen"))
    assert lengths["5 s, frozen"]["KS_ACC"] == 95.97
    assert "SF_CER" not in lengths["5 s, frozen"]
    with pytest.raises(ConfigError, match="unknown published table `table9`: choose one of table2, batchsize, seqlen, none"):
        published_rows("table9")


def test_columns_beyond_table_2_are_shown_where_somebody_has_them(tmp_path: Path) -> None:
    record(tmp_path, "qbe", {"QbE_MTWV": 0.07361})
    made = collate(read_results([tmp_path]), ("batchsize",), read_scale())
    assert [column.key for column in made.columns[10:]] == ["QbE_MTWV", "ASR_zh_CER"]
    assert "0.0736" in formats.markdown(made)


def test_what_is_said_of_several_upstreams_is_said_once(tmp_path: Path) -> None:
    sweep = {"changed": {"runner.total_steps": 2}}
    for task in ("ks", "sid"):
        record(tmp_path / "slim" / task, task, {}, sweep=sweep)
        record(
            tmp_path / "fbank" / task, task, {}, sweep=sweep, upstream="fbank", objective="fbank", size=None, checkpoint=None
        )
    remarks = collate(read_results([tmp_path]), (), read_scale()).remarks
    shortened = "FBANK; HuBERT Slim, ks, sid: § not the official recipe (runner.total_steps=2)"
    assert [remark for remark in remarks if "runner.total_steps" in remark] == [shortened]


INCOMPLETE = {"missing": 12, "of": 345, "such_as": ["a.wav"]}


def test_a_score_of_an_incomplete_corpus_is_marked_in_every_format(tmp_path: Path) -> None:
    record(tmp_path / "ks", "ks", {"KS_ACC": 53.0}, incomplete=INCOMPLETE)
    record(tmp_path / "sid", "sid", {"SID_ACC": 40.0})
    made = collate(read_results([tmp_path]), (), read_scale())
    assert "HuBERT Slim, ks: † incomplete corpus (12 of 345 files missing)" in made.remarks
    own = next(line for line in formats.markdown(made).splitlines() if line.startswith("| HuBERT Slim"))
    cells = [cell.strip() for cell in own.strip("|").split("|")]
    assert "53.00†" in cells and "40.00" in cells and cells[1].endswith("(2)†"), "the score is over an incomplete task"
    assert "53.00†" in formats.latex(made) and "<td>53.00†</td>" in formats.html(made)
    rows = list(csv.DictReader(formats.comma_separated(made).splitlines()))
    assert [row["incomplete"] for row in rows][:2] == ["KS_ACC", ""]


def test_a_score_that_padded_batches_changed_is_marked(tmp_path: Path) -> None:
    theirs = {"upstream": "hf_hubert_custom", "objective": "hf_hubert_custom", "size": None}
    record(tmp_path / "ks", "ks", {"KS_ACC": 53.0}, padding=0.4567, incomplete=INCOMPLETE, **theirs)
    record(tmp_path / "sid", "sid", {"SID_ACC": 40.0}, one_by_one=True, **theirs)
    made = collate(read_results([tmp_path]), (), read_scale())
    said = "‡ padded batches change this upstream's features, by 45.7% of the largest value: see `--one-by-one`"
    assert f"hf_hubert_custom, ks: {said}" in made.remarks
    assert "53.00†‡ " in formats.markdown(made) and " 40.00 " in formats.markdown(made)


def test_the_best_is_bold_only_beyond_what_test_items_make(tmp_path: Path) -> None:
    """Of 100 items 60, 62 and, on the other table, 80 are right."""
    for name, right in (("a", 60), ("b", 62)):
        predictions(record(tmp_path / name, "ks", {"KS_ACC": float(right)}, checkpoint=f"{name}.pt", metric="acc"), right)
    tied = formats.markdown(collate(read_results([tmp_path]), (), read_scale()))
    assert "62.00 ±9." in tied and "**" not in tied
    predictions(record(tmp_path / "c" / "ks", "ks", {"KS_ACC": 80.0}, checkpoint="c.pt", metric="acc"), 80)
    made = collate(read_results([tmp_path]), (), read_scale())
    assert "**80.00** ±" in formats.markdown(made) and "<strong>80.00</strong> ±" in formats.html(made)
    assert r"\textbf{80.00} $\pm$ " in formats.latex(made)
    assert any(remark.startswith("±: two standard errors over test items") for remark in made.remarks)


def test_two_results_of_one_task_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        record(tmp_path / name, "ks", {"KS_ACC": 90.0})
    with pytest.raises(BudgetError, match="two results of HuBERT Slim on ks, `.*a` and `.*b`: name folders with one"):
        collate(read_results([tmp_path]), (), read_scale())


def test_upstreams_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name, checkpoint in (
        ("a", "/one/checkpoints/checkpoint_last.pt"),
        ("b", "/two/checkpoints/checkpoint_last.pt"),
        ("c", "/two/checkpoints/checkpoint_best.pt"),
        ("d", "/other.pt"),
    ):
        record(tmp_path / name, "ks", {"KS_ACC": 90.0}, checkpoint=checkpoint)
    rows = collate(read_results([tmp_path]), (), read_scale()).rows[:4]
    assert [row.name for row in rows] == [
        "HuBERT Slim (one)",
        "HuBERT Slim (/two/checkpoints/checkpoint_last.pt)",
        "HuBERT Slim (/two/checkpoints/checkpoint_best.pt)",
        "HuBERT Slim (other)",
    ]


def test_markdown(table: SuperbTable) -> None:
    """The score: SF (0.514 + 0.736) / 2, KS 0.215 of the way."""
    lines = formats.markdown(table).splitlines()
    assert {line.count("|") for line in lines if line.startswith("|")} == {13}
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert ["HuBERT Slim", "419.6 (2)§", "", "", "", "", "30.00§", "80.00§", "53.24", "", "", ""] in rows
    assert (rows[1][0][0], {cell[-1] for cell in rows[1][1:]}) == (":", {":"}), "numbers to the right"
    assert ["*This study*", *[""] * 11] in rows
    assert "- HuBERT Slim, sf: § not the official recipe (runner.total_steps=2)" in lines
    assert any(line.startswith("- Its zero: FBANK (") for line in lines)
    assert "- Score over 2 tasks (SF, KS): HuBERT Slim." in lines


def test_csv_has_full_numbers_and_empty_cells(table: SuperbTable) -> None:
    rows = list(csv.DictReader(formats.comma_separated(table).splitlines()))
    slim = next(row for row in rows if row["upstream"] == "HuBERT Slim" and row["group"] == "This study")
    assert (slim["KS_ACC"], slim["ASR_WER"], slim["superb_score_tasks"]) == ("53.245", "", "SF KS")
    assert slim["checkpoint"].endswith("checkpoint_last.pt")
    assert len(rows) == 2 + 6 + 3


def test_names_are_shown_and_not_run(tmp_path: Path) -> None:
    """An upstream and a checkpoint with a spreadsheet's formula, a tag, a link and a terminal's escape for names."""
    name = "=HYPERLINK(1)<b>[a](b)|\x1b[31m"
    record(tmp_path / "a", "ks", {"KS_ACC": 90.0}, upstream=name, objective=name, size=None, checkpoint="@SUM(A1)")
    made = collate(read_results([tmp_path]), (), read_scale())
    row = next(row for row in csv.DictReader(formats.comma_separated(made).splitlines()) if row["KS_ACC"] == "90.0")
    assert row["upstream"].startswith("'=HYPERLINK") and row["checkpoint"] == "'@SUM(A1)"
    text = formats.markdown(made)
    assert "\x1b" not in text and "<b>" not in text and "&lt;b>\\[a](b)\\|" in text


def test_latex_is_balanced_and_escaped(table: SuperbTable) -> None:
    text = formats.latex(table)
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.count(" & ") for line in rows} == {11}
    assert "{lrrrrrrrrrrr}" in text
    assert text.count(r"\multicolumn{2}{c}{SF}") == 1
    assert r"runner.total\_steps=2" in text
    assert text.count("{") == text.count("}")
    assert formats.latex_escaped(r"a_b\c{1} 50% & ~^#$") == (
        r"a\_b\textbackslash{}c\{1\} 50\% \& \textasciitilde{}\textasciicircum{}\#\$"
    )


class Cells(HTMLParser):
    """The text of a page's cells, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_html(table: SuperbTable) -> None:
    text = formats.html(table)
    cells = Cells()
    cells.feed(text)
    assert ["HuBERT Slim", "419.6 (2)§", "", "", "", "", "30.00§", "80.00§", "53.24", "", "", ""] in cells.rows
    assert {len(row) for row in cells.rows} == {3, 12}
    check_page(text)


def test_the_command_writes_every_format_and_prints_markdown(tmp_path: Path) -> None:
    record(tmp_path / "ks", "ks", {"KS_ACC": 53.0})
    outs = [tmp_path / "tables" / f"superb{suffix}" for suffix in formats.FORMATS]
    arguments = ["collate", str(tmp_path / "ks"), *(word for out in outs for word in ("--out", str(out)))]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert all(out.read_text() for out in outs)
    printed = CliRunner().invoke(app, ["collate", str(tmp_path / "ks"), "--published", "none"])
    assert re.search(r"^\| HuBERT Slim +\|", printed.stdout, re.M)
    assert "2409.16295" not in printed.stdout
    refused = CliRunner().invoke(app, ["collate", str(tmp_path / "ks"), "--out", "table.pdf"])
    assert re.search(r"`--out table\.pdf` must end in \.md, \.csv, \.tex, \.html", str(refused.exception))


def test_a_place_that_cannot_be_written(table: SuperbTable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(json.dumps({}))
    with pytest.raises(BudgetError, match="cannot be written .*choose another place"):
        formats.write(table, tmp_path / "file" / "table.md")

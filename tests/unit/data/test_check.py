"""`fairseq-budget check`: each way to break a corpus is found and named; what is left after `--fix` has no fault."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner

from fairseq_budget.cli.check import check as check_command
from fairseq_budget.data.check.audio import Limits
from fairseq_budget.data.check.cheap import cheap_checks
from fairseq_budget.data.check.findings import ERROR, KINDS, Findings
from fairseq_budget.data.label_record import read_record
from fairseq_budget.data.labels import LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.recipes import recipes_dir
from tests.unit.data.broken_corpora import CASES, CLUSTERS, FILES, Broken, first, make_corpus, overwrite, speech


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    make_corpus(folder)
    return folder


@pytest.fixture
def corpus(good: Path, tmp_path: Path) -> Path:
    """A copy of the good corpus; its manifests name the copy's audio."""
    folder = tmp_path / "data"
    shutil.copytree(good, folder)
    for split in FILES:
        text = (folder / f"{split}.tsv").read_text()
        (folder / f"{split}.tsv").write_text(text.replace(str(good), str(folder)))
    return folder


def run(*arguments: object) -> tuple[int, str]:
    """Exit status and what is printed; an error meant for the user goes on to the test."""
    app = typer.Typer()
    app.command()(check_command)
    result = CliRunner().invoke(app, [*map(str, arguments), "--workers", "1"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def cells(printed: str) -> list[list[str]]:
    """The rows of the table."""
    rows = (re.split("[│┃]", line)[1:-1] for line in printed.splitlines() if line[:1] in "│┃")
    return [[cell.strip() for cell in row] for row in rows if row]


def found(corpus: Path, *arguments: object) -> dict[str, int]:
    """Number of problems by kind."""
    return json.loads(run(corpus, "--json", *arguments)[1])["counts"]


def test_nothing_is_wrong_with_the_good_corpus(corpus: Path) -> None:
    status, printed = run(corpus)
    assert status == 0
    assert cells(printed) == [
        ["", "train", "valid"],
        ["utterances", "4", "2"],
        ["hours", "0.003", "0.002"],
        ["seconds", "3.00 to 3.00", "3.00 to 3.00"],
        ["speakers", "2", "1"],
        ["labels used", "10 of 10", "10 of 10"],
        ["perplexity of labels", "10.0", "10.0"],
        ["unknown labels", "0%", "0%"],
    ]
    assert printed.splitlines()[-1] == "0 errors, 0 warnings"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_fault_gives_its_line(corpus: Path, case: Broken) -> None:
    case.break_it(corpus)
    status, printed = run(corpus)
    level = KINDS[case.kind].level
    heading = rf"^{level}: {re.escape(KINDS[case.kind].title)} \([12]\): .*\n    (.*)$"
    line = re.search(heading, printed, re.M)
    assert line, printed
    assert re.search(case.line, line[1]), line[1]
    assert status == (level == ERROR)


def test_every_kind_has_a_case() -> None:
    lengths = {"short", "long"}  # limits, below
    assert {case.kind for case in CASES} | lengths == KINDS.keys()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (("--min-seconds", 3.01), {"short": 6}),
        (("--max-seconds", 2.99), {"long": 6}),
        (("--silence-db", -10), {"silence": 6}),
        (("--clipped-percent", 0), {}),
    ],
)
def test_limits(corpus: Path, limits: tuple[str, float], expected: dict[str, int]) -> None:
    assert found(corpus, *limits) == expected


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(min_seconds=20), r"`min_seconds` = 20 must be from 0 to below `max_seconds` = 15\.625"),
        (Limits(min_seconds=float("nan")), "`min_seconds` = nan must be"),
        (Limits(silence_db=0), "`silence_db` must be below 0"),
        (Limits(clipped_percent=101), "`clipped_percent` must be from 0 to 100"),
    ],
)
def test_limits_that_make_no_sense(limits: Limits, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        limits.validate()


def test_processes_find_the_same(corpus: Path) -> None:
    """Rows of many tasks; joblib's processes get the manifest's offsets and map its text themselves."""
    for number in range(70):
        shutil.copy(first(corpus), corpus / "audio/train/1/1" / f"1-2-{number:04d}.flac")
    (corpus / "audio/train/1/1/1-2-0060.flac").write_bytes(b"")
    with (corpus / "train.tsv").open("a") as rows:
        rows.writelines(f"1/1/1-2-{number:04d}.flac\t48000\n" for number in range(70))
    app = typer.Typer()
    app.command()(check_command)
    options = ["--json", "--labels", "none", "--workers"]
    one, two = (CliRunner().invoke(app, [str(corpus), *options, count]).stdout for count in ("1", "2"))
    assert one == two
    assert json.loads(two)["counts"]["duplicate"] == 69
    assert [problem["line"] for problem in json.loads(two)["problems"] if problem["kind"] == "unreadable"] == [66]


def test_chains_are_checked_piece_by_piece(corpus: Path) -> None:
    rows = (corpus / "train.tsv").read_text().splitlines()
    chain = "1/1/1-1-0000.flac\t0\t16000\t2/1/2-1-0000.flac\t100\t16000"
    (corpus / "train.tsv").write_text("\n".join([rows[0], chain, chain]) + "\n")
    assert found(corpus, "--labels", "none") == {"duplicate": 1, "label_file": 2}
    (corpus / "audio/train/2/1/2-1-0000.flac").unlink()
    assert found(corpus, "--labels", "none") == {"missing": 2, "label_file": 2}
    assert "    train.tsv, line 2: 1/1/1-1-0000.flac: 2-1-0000.flac\n" in run(corpus, "--labels", "none")[1]


def test_without_labels(corpus: Path) -> None:
    for path in [*corpus.glob("*.km*"), corpus / "labels.json"]:
        path.unlink()
    status, printed = run(corpus)
    assert status == 0
    assert cells(printed)[-2:] == [["speakers", "2", "1"], ["labels used", "none", "none"]]
    assert found(corpus, "--labels", "km").keys() == {"label_file", "dictionary", "label_origin"}


def test_a_label_rate_of_ones_own(corpus: Path) -> None:
    (corpus / "labels.json").unlink()
    assert found(corpus, "--label-rate", 100) == {}
    assert found(corpus, "--label-rate", 50) == {"label_rate": 2}


def test_speakers_by_another_rule(corpus: Path) -> None:
    assert found(corpus, "--speaker-rule", r"/(\d+)/") == {"speakers": 1}
    assert ["speakers", "unknown", "unknown"] in cells(run(corpus, "--speaker-rule", "(no such name)")[1])
    with pytest.raises(ConfigError, match="is not a regular expression"):
        run(corpus, "--speaker-rule", "(")


def test_strict_takes_warnings_for_errors(corpus: Path) -> None:
    overwrite(speech(0, rate=22050), 22050)(corpus)
    assert run(corpus)[0] == 0
    status, printed = run(corpus, "--strict")
    assert status == 1
    assert "error: not 16 kHz (1)" in printed


def test_json_names_every_problem(corpus: Path) -> None:
    first(corpus).unlink()
    status, printed = run(corpus, "--json", "--min-seconds", 4)
    report = json.loads(printed)
    counts = np.bincount(np.fromstring((corpus / "train.km").read_text(), dtype=int, sep=" ")).tolist()
    assert status == 1
    assert report["counts"] == {"missing": 1, "short": 6}
    assert report["splits"]["train"]["label_histogram"] == counts
    assert report["problems"][0] == {
        "kind": "missing",
        "level": "error",
        "split": "train",
        "line": 2,
        "file": str(first(corpus)),
        "detail": "",
    }
    assert len(report["problems"]) == 7


def test_only_the_first_of_many_are_shown(corpus: Path) -> None:
    printed = run(corpus, "--min-seconds", 4, "--show", 2)[1]
    assert "(6): nothing: it is left out" in printed
    assert "    and 4 more (`--json` names all)" in printed


def test_no_manifest_at_all(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"has no train\.tsv, valid\.tsv: name the folder that `fairseq-budget manifest`"):
        run(tmp_path)


def test_fix_leaves_bad_rows_out_and_keeps_labels_in_step(corpus: Path, tmp_path: Path) -> None:
    overwrite(np.zeros(48000))(corpus)
    shutil.copy(corpus / "audio/train/1/1/1-1-0001.flac", corpus / "audio/valid/3/1/3-1-0001.flac")
    old = Manifest.read(corpus / "train.tsv")
    status, printed = run(corpus, "--fix", tmp_path / "clean")
    assert status == 0
    assert printed.splitlines()[-1] == f"{tmp_path / 'clean'}: train without 2 rows, valid without 0 rows"
    new = Manifest.read(tmp_path / "clean/train.tsv")
    assert new.paths == old.paths[2:]
    ours, theirs = (LabelFile(folder / "train.km", CLUSTERS) for folder in (tmp_path / "clean", corpus))
    assert len(ours) == 2
    np.testing.assert_array_equal(ours[1], theirs[3])
    record = read_record(tmp_path / "clean")
    assert record is not None
    record.check_split("train", ours.sha256, new)
    assert record.splits["train"]["left_out"] == 2
    assert run(tmp_path / "clean")[0] == 0
    assert found(tmp_path / "clean") == {}


def test_fix_keeps_the_header_of_a_manifest(corpus: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(corpus / "train.tsv")
    manifest.write(corpus / "train.tsv", {"tool": "a test"})
    first(corpus).unlink()
    assert found(corpus, "--fix", tmp_path / "clean") == {"missing": 1}
    header = Manifest.read(tmp_path / "clean/train.tsv").header
    assert header == {"tool": "a test", "left out": "1 rows by a check"}
    assert Manifest.read(tmp_path / "clean/valid.tsv").header == {}


def test_fix_refuses_what_it_cannot_mend(corpus: Path, tmp_path: Path) -> None:
    (corpus / "dict.km.txt").write_text("")
    with pytest.raises(BudgetError, match=r"leaving rows out doesn't mend dictionary \(see above\)"):
        run(corpus, "--fix", tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def test_fix_refuses_the_folder_itself(corpus: Path) -> None:
    with pytest.raises(BudgetError, match="is the folder that was checked: name another one"):
        run(corpus, "--fix", corpus / ".." / "data")


def test_fix_refuses_to_leave_nothing(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"every row of train\.tsv has an error"):
        run(corpus, "--min-seconds", 4, "--strict", "--fix", tmp_path / "clean")


def test_findings_are_small() -> None:
    """Half a million findings of a few texts take 17 bytes each, not a Python object."""
    findings = Findings()
    for row in range(100_000):
        findings.add("rate", "train", row, f"{8000 * (1 + row % 3)} Hz")
    assert findings.count("rate") == 100_000
    assert len(findings._details) == 3
    assert list(findings.of("rate"))[-1] == ("train", 99_999, "8000 Hz")
    assert len(findings.bad_rows("train")) == 0
    assert len(Findings(strict=True).bad_rows("train")) == 0


def test_the_trainer_is_told_of_rows_that_are_listed_twice(corpus: Path) -> None:
    train = Manifest.read(corpus / "train.tsv")
    assert cheap_checks("valid", Manifest.read(corpus / "valid.tsv"), {"train": train}) == []
    assert cheap_checks("train", train.subset([0, 1, 0, 0]), {}) == [
        "train: 2 of 4 rows are listed twice; see `fairseq-budget check`"
    ]
    hours = train.hours
    (little,) = cheap_checks("train", train, {}, crop=int(0.4 * train.frames.mean()))
    assert f"an epoch hears 40.0% of its {hours:.2f} h; `task.segment_seconds=" in little
    assert cheap_checks("train", train, {}, crop=int(train.frames.mean())) == []
    assert cheap_checks("valid", train.subset([3, 1]), {"train": train}) == [
        "valid and train have 2 rows in common; see `fairseq-budget check`"
    ]


def test_the_limits_are_those_of_the_recipes() -> None:
    task = yaml.safe_load((recipes_dir() / "base.yaml").read_text())["task"]
    limits, options = Limits(), inspect.signature(check_command).parameters
    assert limits.min_seconds * 16000 == task["min_sample_size"]
    assert limits.max_seconds * 16000 == task["max_sample_size"]
    assert {name: options[name].default for name in asdict(limits)} == asdict(limits)

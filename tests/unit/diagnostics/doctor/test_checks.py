"""Each subject by itself, on folders and files that a test makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fairseq_budget.diagnostics.doctor import corpora, machine, packages
from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM
from fairseq_budget.diagnostics.doctor.probe import Answer
from fairseq_budget.recipes import recipes_dir

ROOT = Path(__file__).parents[4]


def test_the_installation_is_what_was_tested_together() -> None:
    assert {check.state for check in packages.extras()} == {OK}
    assert packages.python().state == OK


def test_other_versions_are_named(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("# a remark\nNumPy==1.0\ntyper==0 \\\n    --hash=sha256:00\nnot-there==1\n")
    check = packages.versions(tmp_path)
    assert check.state == NOTE
    assert check.details["others"].keys() == {"numpy", "typer"}
    assert "(tested: 1.0)" in check.found and str(tmp_path / "constraints.txt") in check.remedy


def test_a_build_is_no_other_version(tmp_path: Path) -> None:
    number = packages.installed("torch")
    assert number is not None
    (tmp_path / "constraints.txt").write_text(f"torch=={number.partition('+')[0]}+cu130\n")
    assert packages.versions(tmp_path).state == OK


def test_every_line_of_the_constraints_is_read() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(packages.read_pins(ROOT / "constraints.txt")) == len(lines) > 50


def test_hashes_are_those_of_the_constraints() -> None:
    pins = packages.read_pins(ROOT / "constraints.txt")
    hashed = packages.read_pins(ROOT / "constraints-hashes.txt")
    # torch's files depend on the index; wheel is asked for where nothing is hashed only; the last three are the extra `abx`
    assert set(pins) - set(hashed) <= {"torch", "wheel", "fastabx", "polars", "polars-runtime-32", "torchdtw"}
    assert {name: hashed[name] for name in pins if name in hashed} == {name: pins[name] for name in hashed if name in pins}


def test_every_package_has_hashes() -> None:
    text = (ROOT / "constraints-hashes.txt").read_text()
    entries = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]  # before the first one stands a remark
    assert len(entries) > 100
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


GPU = {"name": "H100", "bytes": 80 * 2**30, "error": None}


@pytest.mark.parametrize(
    ("gpus", "built_for", "has_driver", "state", "told"),
    [
        ([], None, False, NOTE, "none"),
        ([], None, True, PROBLEM, "torch is built for CPUs"),
        ([], "13.0", True, NOTE, "torch sees no GPU"),
        ([GPU], "13.0", True, OK, "H100 (80 GiB)"),
        ([GPU, {**GPU, "error": "no kernel image"}], "13.0", True, PROBLEM, "H100: no kernel image"),
    ],
)
def test_gpus(gpus: list[dict[str, object]], built_for: str | None, has_driver: bool, state: str, told: str) -> None:
    answer = Answer({"version": "2.13.0", "built_for": built_for, "gpus": gpus})
    check = machine.judge_gpu(answer, has_driver)
    assert check.state == state and told in check.found
    assert bool(check.remedy) == (state != OK)


def test_no_compiler_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert machine.compiler().state == NOTE


def test_an_espeak_that_fails_is_a_problem() -> None:
    assert machine.judge_espeak(Answer(error="OSError: libespeak-ng.so: no such file")).state == PROBLEM


@pytest.fixture
def manifests(tmp_path: Path) -> Callable[[Path], Path]:
    def make(audio: Path) -> Path:
        (tmp_path / "manifests" / "librispeech_10h").mkdir(parents=True)
        for split in ("train", "valid"):
            (tmp_path / "manifests" / "librispeech_10h" / f"{split}.tsv").write_text(f"{audio}\na.flac\t16000\n")
        return tmp_path

    return make


def test_manifests_that_a_variable_or_the_folder_names(manifests: Callable[[Path], Path], tmp_path: Path) -> None:
    manifests(tmp_path)
    (here,) = corpora.manifests(recipes_dir(), tmp_path, {})
    (named,) = corpora.manifests(recipes_dir(), Path("elsewhere"), {"FAIRSEQ_BUDGET_MANIFESTS": f"{tmp_path}/manifests"})
    assert here.state == named.state == OK
    assert here.details["found"] == named.details["found"] == ["librispeech_10h"]


def test_no_manifests_and_a_wrong_variable(tmp_path: Path) -> None:
    (none,) = corpora.manifests(recipes_dir(), tmp_path, {})
    assert none.state == NOTE and "none of librispeech_100h, librispeech_10h" in none.found
    (wrong,) = corpora.manifests(recipes_dir(), tmp_path, {"FAIRSEQ_BUDGET_MANIFESTS": "nowhere"})
    assert wrong.state == PROBLEM and "`nowhere` is no folder" in wrong.found


def test_audio_that_was_moved_is_a_problem(manifests: Callable[[Path], Path], tmp_path: Path) -> None:
    manifests(tmp_path / "moved")
    (check,) = corpora.manifests(recipes_dir(), tmp_path, {})
    assert check.state == PROBLEM and f"librispeech_10h ({tmp_path / 'moved'})" in check.found


def test_every_corpus_below_one_folder(tmp_path: Path) -> None:
    (tmp_path / "snips").mkdir()
    states = {check.subject: check.state for check in corpora.superb({"SUPERB": str(tmp_path)})}
    assert states.pop("$SNIPS") == OK
    assert set(states.values()) == {NOTE}
    first = next(corpora.superb({"SUPERB": "nowhere"}))
    assert (first.subject, first.state) == ("$SUPERB", PROBLEM)

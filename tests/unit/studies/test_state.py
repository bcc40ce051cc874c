"""Data, commands and states of cells, without training."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.pretraining import STOPPED_EARLY
from fairseq_budget.studies import data, launch
from fairseq_budget.studies.checks import find_obstacles, tasks_that_cannot_run
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.status import DONE, FAILED, MISSING, RUNNING, STOPPED, states
from fairseq_budget.studies.study import MINI, PAPER, Cell

CELL = Cell("a-cell", "tera", ("size=0.05",), "TERA", 1, tasks=("ks",))
HOW = launch.How(MINI, "cpu", launch.JOBLIB, 2)


def corpus(folder: Path) -> Path:
    folder.mkdir()
    names = [
        f"{speaker}/{chapter}/{speaker}-{chapter}-{n}.wav" for speaker in (1, 2) for chapter in (1, 2) for n in range(8)
    ]
    Manifest(folder, names, np.full(len(names), 16_000 * 60)).write(folder / "train.tsv", None)
    Manifest(folder, names[:2], np.full(2, 16_000)).write(folder / "valid.tsv", None)
    return folder


def record(place: Place, cell: Cell, spent: float) -> None:
    place.run(cell).mkdir(parents=True, exist_ok=True)
    told = {"kind": "pretrain", "objective": "tera", "params": 1, "budget": {"flops": 100}}
    place.record(cell).write_text(json.dumps({**told, "spent": {"flops": spent, "updates": 1}}))


def score(place: Place, cell: Cell) -> None:
    place.score(cell, "ks").parent.mkdir(parents=True)
    told = {"kind": "downstream", "task": "ks", "upstream": "budget_local", "objective": "tera", "test": 0.5}
    place.score(cell, "ks").write_text(json.dumps({**told, "scores": {"KS_ACC": 50.0}}))


def test_parts_of_the_data_are_nested_and_written_once(tmp_path: Path) -> None:
    place = Place(tmp_path / "study")
    source = corpus(tmp_path / "corpus")
    data.write_manifests(source, place, MINI)
    parts = {share: Manifest.read(place.data / f"{data.part(share)}.tsv") for share in data.shares(MINI)}
    assert list(parts) == [1.0, 0.25, 0.0625]
    assert {share: len(manifest) for share, manifest in parts.items()} == {1.0: 32, 0.25: 8, 0.0625: 2}
    assert set(parts[0.0625].paths) < set(parts[0.25].paths) < set(parts[1.0].paths)
    before = {path: path.stat().st_mtime_ns for path in place.data.iterdir()}
    data.write_manifests(source, place, MINI)
    assert before == {path: path.stat().st_mtime_ns for path in place.data.iterdir()}
    with pytest.raises(BudgetError, match="made of another corpus than .*: choose another folder with --out"):
        data.write_manifests(corpus(tmp_path / "another"), place, MINI)


def test_a_study_may_validate_on_several_sets(tmp_path: Path) -> None:
    """Its folder has their manifests, labels and transcripts are made of them, and every run is told their names."""
    place, source, names = Place(tmp_path / "study"), corpus(tmp_path / "corpus"), ("valid", "dev-other")
    with pytest.raises(BudgetError, match="no validation set `.*dev-other.tsv`: make it, or leave it out"):
        data.write_manifests(source, place, MINI, names)
    (source / "dev-other.tsv").write_bytes((source / "valid.tsv").read_bytes())
    data.write_manifests(source, place, MINI, names)
    assert (place.data / "dev-other.tsv").read_bytes() == (source / "dev-other.tsv").read_bytes()
    assert list(data.splits(MINI, names))[:3] == ["train", "valid", "dev-other"]
    how = dataclasses.replace(HOW, valid_sets=names)
    override = "dataset.valid_subset='valid,dev-other'"
    assert override in how.hydra() and override in shlex.split(launch.alone(CELL, place, how))
    assert not any("valid_subset" in word for word in HOW.hydra())


def test_missing_manifests_are_told_with_what_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRSEQ_BUDGET_MANIFESTS", str(tmp_path))
    with pytest.raises(BudgetError, match=r"librispeech_960h` has no train.tsv and no valid.tsv: make them with"):
        data.source_of(PAPER, None)
    assert data.source_of(MINI, None) is None, "speech is made"


def test_states_are_told_from_what_lies_there(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert states([CELL], place)[0].training == MISSING
    place.run(CELL).mkdir(parents=True)
    (place.run(CELL) / "train.log").touch()
    assert states([CELL], place)[0].training == FAILED
    (place.run(CELL) / "hydra_train.log").write_text(f"...\n{STOPPED_EARLY}: nothing is lost\ndone training\n")
    assert states([CELL], place)[0].training == MISSING
    record(place, CELL, 40)
    (stopped,) = states([CELL], place)
    assert (stopped.training, stopped.text, stopped.unscored) == (STOPPED, "stopped at 40.0%", ("ks",))
    lock = place.run(CELL) / "checkpoints" / ".lock"
    lock.parent.mkdir()
    with FileLock(lock):
        assert states([CELL], place)[0].training == RUNNING
    record(place, CELL, 100)
    (trained,) = states([CELL], place)
    assert (trained.training, trained.done) == (DONE, False)
    score(place, CELL)
    assert states([CELL], place)[0].done


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    record(place, CELL, 40)
    place.record(CELL).write_text("{")
    assert "not a readable record" in states([CELL], place)[0].remark


def test_commands_go_on_with_what_is_not_done(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (state,) = states([CELL], place)
    train, evaluate = map(shlex.split, launch.commands(state, place, HOW))
    assert train[0] == "fairseq-hydra-train" and f"hydra.run.dir={place.run(CELL)}" in train
    assert evaluate[:2] == ["fairseq-budget", "superb"] and str(place.checkpoint(CELL)) in evaluate
    record(place, CELL, 100)
    (state,) = states([CELL], place)
    assert [shlex.split(line)[1] for line in launch.commands(state, place, HOW)] == ["superb"]
    score(place, CELL)
    (state,) = states([CELL], place)
    assert list(launch.commands(state, place, HOW)) == []


def test_the_list_of_runs_and_its_command(tmp_path: Path) -> None:
    place = Place(tmp_path)
    command = launch.multirun("tera", [CELL], place, HOW)
    assert command[0] == "-m" and "hydra.launcher.n_jobs=2" in command
    listed = (place.pretrain / "runs-tera.txt").read_text().splitlines()
    assert len(listed) == 1 and listed[0].endswith("hydra.sweep.subdir=a-cell")


def test_obstacles_are_found_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRSEQ_BUDGET_MANIFESTS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    huge = Cell("huge", "tera", ("size=large", "task.checkpoints=100000", "task.budget.updates=1"), "TERA", 1)
    found = find_obstacles([huge], Place(tmp_path / "deep" / "study"), launch.How(PAPER, "cpu", launch.SLURM, 1))
    assert ["has no train.tsv" in found[0], "needs `sbatch`" in found[1], "checkpoints take up to" in found[2]] == [True] * 3
    wrong = find_obstacles([Cell("wrong", "tera", ("size=huge",), "TERA", 1)], Place(tmp_path), HOW)
    assert len(wrong) == 1 and "cell wrong can't be composed" in wrong[0]
    assert find_obstacles([CELL], Place(tmp_path), HOW) == [], "nothing that can be checked"


def test_corpora_that_evaluations_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a study makes itself isn't among them."""
    for name in ("SPEECH_COMMANDS", "FLUENT_COMMANDS"):
        monkeypatch.delenv(name, raising=False)
    cells = [dataclasses.replace(CELL, tasks=("ks", "ic", "gradients"))]
    ic, ks = tasks_that_cannot_run(cells, Place(tmp_path), dataclasses.replace(HOW, scale=PAPER))
    assert ic.startswith("ic: ") and "FLUENT_COMMANDS" in ic and ks.startswith("ks: ") and "SPEECH_COMMANDS" in ks
    assert list(tasks_that_cannot_run([CELL], Place(tmp_path), HOW)) == []


def test_keywords_are_made_beside_a_corpus_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPEECH_COMMANDS", raising=False)
    own, called = dataclasses.replace(HOW, data=corpus(tmp_path / "own")), []
    monkeypatch.setattr(launch, "_call", lambda arguments, environment: called.append(arguments[0]))
    launch.prepare_data([CELL], Place(tmp_path / "study"), own)
    assert called == ["corpus"]
    monkeypatch.setenv("SPEECH_COMMANDS", str(tmp_path))
    launch.prepare_data([CELL], Place(tmp_path / "study"), own)
    assert called == ["corpus"], "the user's own"

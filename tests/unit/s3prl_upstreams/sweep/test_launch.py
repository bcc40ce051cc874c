"""Processes: one for each task, with settings of its own, and never two on one folder."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fairseq_budget import locks
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.keywords import KEYWORDS
from s3prl_upstreams.completeness import IncompleteCorpus
from s3prl_upstreams.sweep import launch, rows, settings, worker
from s3prl_upstreams.sweep.settings import SweepSettings

Plan = Callable[..., SweepSettings]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 8}, "was begun with `steps` 6, and now it is 8: choose another `--out`"),
        ({"override": None}, "was begun with `override` config"),
        ({"digest": "0"}, "was begun with `digest`"),
        ({"halving": True}, "was begun with `halving` False, and now it is True"),
    ],
)
def test_a_folder_keeps_its_settings(plan: Plan, changed: dict[str, object], message: str) -> None:
    before = plan()
    launch.refuse_other_settings(before)
    before.folder.mkdir(parents=True)
    (before.folder / launch.SETTINGS).write_text(settings.to_json(before))
    launch.refuse_other_settings(replace(before, rates=(1e-2,), device="cuda", workers=3, test=False))
    with pytest.raises(BudgetError, match=message):
        launch.refuse_other_settings(replace(before, **changed))


def test_a_checkpoint_of_another_size_is_refused_before_anything_is_made(plan: Plan) -> None:
    asked = plan(upstream="budget_slim")
    with pytest.raises(BudgetError, match="`-u budget_slim` is of size slim, but"):
        launch.sweep([asked], Console(file=io.StringIO()))
    with pytest.raises(BudgetError, match="the upstream `budget_local` needs a checkpoint: give its path, or"):
        launch.sweep([replace(asked, upstream="budget_local", checkpoint=None)], Console(file=io.StringIO()))
    with pytest.raises(BudgetError, match="the upstream `fbank` has no parameters: leave `.*` out, or"):
        launch.sweep([replace(asked, upstream="fbank")], Console(file=io.StringIO()))
    assert not asked.folder.exists()


def test_an_upstream_of_somebody_elses_that_fails_is_one_line(plan: Plan, tiny: Path, tmp_path: Path) -> None:
    """s3prl's own HuBERT wants another form than fairseq's."""
    asked = replace(plan(), upstream="hubert_local")
    with pytest.raises(BudgetError, match=r"`hubert_local` can't be made from `.*` \(ValueError: .*: is it of this kind"):
        launch.sweep([asked], Console(file=io.StringIO()))
    with pytest.raises(
        BudgetError, match=r"`hubert_local` can't be made \(.*: is the network there, if it has to be fetched"
    ):
        launch.sweep([replace(asked, checkpoint=None)], Console(file=io.StringIO()))
    error = OSError("Can't load feature extractor\nfor 'another/model'")
    told = launch._why_not("hf_hubert_custom", str(tmp_path), error)
    assert (
        told.endswith("it has no preprocessor_config.json, and s3prl would fetch another model's: add it")
        and "\n" not in told
    )
    assert launch._why_not("hf_hubert_custom", "owner/model", error).endswith("is the network there, to fetch it?")


def test_incomplete_corpora_of_several_tasks_are_told_at_once(
    plan: Plan, corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is allowed to be is known by its settings, with which its folder goes on."""
    folder = tmp_path / "superb"
    shutil.copytree(corpora, folder)
    monkeypatch.setenv("SUPERB", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (folder / "librispeech" / "train-clean-100" / "1" / "1" / "1-1-0003.flac").unlink()
    (folder / "speech_commands" / "train" / "validation_list.txt").write_text("no/spk16_nohash_0.wav\nno/x.wav\n")
    for name in KEYWORDS:
        (folder / "speech_commands" / "train" / name).mkdir(exist_ok=True)
        (folder / "speech_commands" / "test" / name).mkdir(exist_ok=True)
    (folder / "speech_commands" / "test" / "_unknown_").mkdir()
    both, console = [plan("ks", "ks"), plan("asr", "asr")], Console(file=io.StringIO(), width=2000)
    with pytest.raises(BudgetError, match="none of the 2 tasks can run: see the table above"):
        launch.sweep(both, console)
    assert re.search(r"ks +corpus +the corpus of `ks` is incomplete, .*x\.wav", console.file.getvalue())
    assert re.search(r"asr +corpus +the corpus of `asr` is incomplete, .*0003", console.file.getvalue())
    with pytest.raises(IncompleteCorpus, match="of `ks` is incomplete"):
        launch.sweep(both[:1], console)
    assert not any(asked.folder.exists() for asked in both)
    allowed, refused = launch._possible([replace(asked, allow_incomplete=True) for asked in both], console)
    assert refused == {}
    assert [asked.incomplete["such_as"] for asked in allowed if asked.incomplete] == [
        ["no/x.wav"],
        ["train-clean-100/1/1/1-1-0003.flac"],
    ]
    for asked in allowed:
        asked.folder.mkdir(parents=True)
        (asked.folder / launch.SETTINGS).write_text(settings.to_json(asked))
    assert launch._possible(allowed, console) == (allowed, {})
    monkeypatch.setenv("SUPERB", str(corpora))
    with pytest.raises(BudgetError, match="was begun with `incomplete` {'missing': 1, .*}, and now it is None"):
        launch._possible(allowed, console)


def test_what_is_done_is_not_done_again(plan: Plan) -> None:
    done = plan()
    whose = {"kind": "downstream", "upstream": "fbank", "objective": "fbank"}
    row = {**whose, "task": "ks", "error": None, "sweep": {"rates": list(done.rates)}}
    done.folder.mkdir(parents=True)
    (done.folder / "record.json").write_text(json.dumps(row))
    console = Console(file=io.StringIO())
    assert launch.sweep([done], console) == [row] and console.file.getvalue() == ""
    assert rows.is_final(replace(done, rates=done.rates[::-1]), row)
    assert not rows.is_final(replace(done, rates=(1e-2, *done.rates)), row)
    assert not rows.is_final(done, {**row, "error": "broken"}) and not rows.is_final(done, None)


def test_two_processes_cannot_work_on_the_same_trials(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused before it writes anything; with another checkpoint it would have read the first one's score."""
    monkeypatch.setattr(locks, "ENDING", 0)
    asked = plan()
    asked.folder.mkdir(parents=True)
    with locks.alone(launch.lock_of(asked)):
        with pytest.raises(BudgetError, match="is in use by process .* since .*: wait for its end, or end it"):
            launch.sweep([asked], Console(file=io.StringIO()))
    assert [path.name for path in asked.folder.iterdir()] == [launch.lock_of(asked).name]


def test_progress_is_told_at_the_end_of_every_stage() -> None:
    channel = io.StringIO()
    report = worker.Reporter(channel)
    for done in range(1, 1001):
        report("train", done, 1000)
    report("test", 1, 1)
    lines = [json.loads(line) for line in channel.getvalue().splitlines()]
    assert len(lines) < 1000
    assert lines[-2:] == [
        {"stage": "train", "done": 1000, "of": 1000, "seconds_left": 0.0},
        {"stage": "test", "done": 1, "of": 1, "seconds_left": None},
    ]


def test_a_worker_ends_when_nobody_listens(tmp_path: Path) -> None:
    """Its caller was killed: it must not go on behind the back of the one who starts the command again."""
    code = (
        "import sys, time\n"
        "from s3prl_upstreams.sweep.worker import Reporter\n"
        "report = Reporter(sys.stdout)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        "report('train', 1, 1)\n"
        "open('went_on', 'w')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        child.stdout.close()
        child.stdin.close()
        assert child.wait() == 1
    assert not (tmp_path / "went_on").exists()


def test_a_log_that_is_no_terminal_gets_a_line_for_every_tenth() -> None:
    console = Console(file=io.StringIO())
    with launch.Progress(console=console, disable=True) as progress:
        bar = progress.add_task("ks", total=None, left="", tenth=0)
        for done in range(1, 101):
            told = {"stage": "train", "done": done, "of": 100, "seconds_left": 60.0 * (100 - done)}
            launch._show(told, progress, bar, "ks")
        launch._show({"stage": "test", "done": 1, "of": 2, "seconds_left": None}, progress, bar, "ks")
        launch._show({"stage": "fold2 train", "done": 0, "of": 8, "seconds_left": None}, progress, bar, "er")
        launch._show({"stage": "fold2 train", "done": 4, "of": 8, "seconds_left": 60.0}, progress, bar, "er")
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 11 and lines[0] == "ks: step 10 of 100, 90 min left"
    assert lines[-2:] == ["ks: step 100 of 100, 0 s left", "er: fold2 step 4 of 8, 60 s left"]


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (90.4, "90 s left"), (600, "10 min left"), (36000, "10 h left")])
def test_the_time_left(seconds: float | None, text: str) -> None:
    assert launch._left(seconds) == text

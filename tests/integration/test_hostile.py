"""Hostile files through every command that reads one: status 2, one line that names the file, no command run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.recipes import recipes_dir
from tests import hostile
from tests.hostile_runner import answers
from tests.integration.conftest import Training, run

pytestmark = pytest.mark.integration

SOME = ("a bomb", "a flipped bit", "keys that collide", "a billion layers", "os.system, new form", "settings in settings")
READ = ("a function of a module", "eval", "exec")
"""Objects without effect in entries that nobody reads: these checkpoints are read, and the runs would go on."""
KS = ["-d", "speech_commands", "-c", str(recipes_dir() / "superb" / "ks.yaml"), "--device", "cpu"]

COMMANDS: dict[str, Callable[[str, str, str], list[str]]] = {
    "export to hf": lambda file, data, out: ["export", file, out, "--to", "hf"],
    "export to s3prl": lambda file, data, out: ["export", file, out, "--to", "s3prl"],
    "ranks": lambda file, data, out: ["ranks", file, "--data", data],
    "labels": lambda file, data, out: ["labels", data, "--label-dir", out, "--checkpoint", file],
    "superb": lambda file, data, out: ["superb", file, "--out", out, "--device", "cpu", "--steps", "1"],
    "run_downstream -e": lambda file, data, out: [
        "run_downstream",
        "-m",
        "evaluate",
        "-e",
        file,
        "-p",
        out,
        "--device",
        "cpu",
    ],
    "run_downstream -k": lambda file, data, out: [
        "run_downstream",
        "-m",
        "train",
        *KS,
        "-p",
        out,
        "-u",
        "budget_local",
        "-k",
        file,
    ],
}


def refuse(commands: Iterable[str], names: Iterable[str], corpus: Path, folder: Path) -> None:
    marker, paths = folder / "marker", []
    for index, (name, write) in enumerate(hostile.checkpoints(marker).items()):
        if name in names:
            paths.append(folder / f"{index}.pt")
            write(paths[-1])
    asked = [(command, path) for command in commands for path in paths]
    lines = [COMMANDS[command](str(path), str(corpus / "data"), str(folder / f"out{path.stem}")) for command, path in asked]
    told = answers(lines, folder, SPEECH_COMMANDS=str(corpus / "speech_commands"))
    for (command, path), answer in zip(asked, told, strict=True):
        errors = [line for line in answer["error"].splitlines() if line.startswith("error:")]
        assert (answer["code"], len(errors)) == (2, 1) and "Traceback" not in answer["error"], (command, path, answer)
        assert path.name in errors[0], answer
    assert not marker.exists()


def test_some_files(corpus: Path, tmp_path: Path) -> None:
    """All commands in one process."""
    refuse(COMMANDS, SOME, corpus, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", list(COMMANDS))
def test_all_files(command: str, corpus: Path, tmp_path: Path) -> None:
    refuse([command], [name for name in hostile.checkpoints(tmp_path) if not name.startswith(READ)], corpus, tmp_path)


@pytest.mark.parametrize("name", ["a flipped bit", pytest.param("os.system, new form", marks=pytest.mark.slow)])
def test_a_run_doesnt_go_on_from_one(name: str, corpus: Path, tmp_path: Path) -> None:
    hostile.checkpoints(tmp_path / "marker")[name](tmp_path / "c.pt")
    result = Training(corpus / "data", tmp_path / "run", "tera").run(f"checkpoint.restore_file={tmp_path}/c.pt")
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert f"`{tmp_path}/c.pt` cannot be read as a checkpoint" in result.stderr
    assert not (tmp_path / "marker").exists()


def test_a_recipe_is_no_code(corpus: Path, tmp_path: Path) -> None:
    """Betas of fairseq's optimizer, as a recipe or the command line gives them."""
    code = f"__import__('os').system('touch {tmp_path}/marker')"
    result = Training(corpus / "data", tmp_path / "run", "tera").run(f'optimizer.adam_betas="{code}"')
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert "must be a number, a text, or a list of them" in result.stderr
    assert not (tmp_path / "marker").exists()


def test_a_recipe_of_s3prls_is_no_code(corpus: Path, tmp_path: Path) -> None:
    recipe, code = (recipes_dir() / "superb" / "ks.yaml").read_text(), f"__import__('os').system('touch {tmp_path}/marker')"
    for name, text in {
        "select": recipe.replace("select: UtteranceLevel", f'select: "{code}"'),
        "python": recipe + f"\nx: !!python/object/apply:os.system ['touch {tmp_path}/marker']\n",
        "self": recipe + "\nx: &x {x: *x}\n",
        "no yaml": recipe + "\n: : {",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    words = [
        "run_downstream",
        "-m",
        "train",
        "-d",
        "speech_commands",
        "--device",
        "cpu",
        "-u",
        "fbank",
        "-p",
        str(tmp_path / "x"),
    ]
    commands = [[*words, "-c", str(path)] for path in sorted(tmp_path.glob("*.yaml"))]
    for command, answer in zip(
        commands, answers(commands, tmp_path, SPEECH_COMMANDS=str(corpus / "speech_commands")), strict=True
    ):
        assert answer["code"] == 2 and "Traceback" not in answer["error"], (command, answer)
    assert not (tmp_path / "marker").exists()


def test_records_manifests_and_labels(corpus: Path, tmp_path: Path) -> None:
    """`report`, `check`, `collate`, `labels` and `bench loader` on what only looks like their files."""
    marker = tmp_path / "marker"
    texts = [
        "[" * 100_000,
        '{"kind": "pretraining", "objective": ' + "9" * 5_000 + "}",
        "\0" * 100,
        "!!python/object:os",
        "{}",
    ]
    commands: list[list[str]] = []
    for index, text in enumerate(texts):
        for place in ("pretrain/a", "downstream/ks/a"):
            (tmp_path / f"study{index}" / place).mkdir(parents=True)
            (tmp_path / f"study{index}" / place / "record.json").write_text(text)
        commands += [["report", str(tmp_path / f"study{index}")], ["collate", str(tmp_path / f"study{index}")]]
        for name in ("labels.json", "train.tsv", "dict.km.txt", "train.km", "codebook.npy"):
            data = shutil.copytree(corpus / "data", tmp_path / f"{index}{name}")
            (data / name).write_text(text)
            commands += [["check", str(data)], ["labels", str(data), "--clusters", "20", "--n-init", "2"]]
    data = shutil.copytree(corpus / "data", tmp_path / "pickled")
    np.save(data / "codebook.npy", np.array([hostile.Calls(hostile.touch, str(marker))], dtype=object))
    (data / "valid.km").unlink()
    commands.append(["labels", str(data), "--clusters", "20", "--n-init", "2"])
    told = answers(commands, tmp_path)
    for command, answer in zip(commands, told, strict=True):
        assert "Traceback" not in answer["error"], (command, answer["error"][-1500:])
        assert answer["code"] in (0, 1, 2), (command, answer)
    assert told[-1]["code"] == 2 and "codebook.npy" in told[-1]["error"]
    assert not marker.exists()


def test_a_study_says_which_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "pretrain" / "a").mkdir(parents=True)
    (tmp_path / "pretrain" / "a" / "record.json").write_text(json.dumps({"kind": "pretraining", "objective": ["x"]}))
    result = run(["fairseq-budget", "report", str(tmp_path)], tmp_path)
    assert "record.json" in result.stderr + result.stdout and "Traceback" not in result.stderr

"""The manifests of SpidR and minimal-hubert, written as `spidr.data.write_manifest` writes them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.scan import scan
from fairseq_budget.data.selection import open_audio
from fairseq_budget.errors import BudgetError


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    folder = tmp_path / "speech"
    for number, name in enumerate(("a/1.wav", "a/2.wav", "b/3.wav")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        wave = 0.1 * np.random.default_rng(number).standard_normal(16_000 + number)
        soundfile.write(folder / name, wave, 16_000)
    return folder


def of_files(speech: Path) -> pd.DataFrame:
    paths = sorted(speech.rglob("*.wav"))
    return pd.DataFrame(
        {
            "fileid": [path.stem for path in paths],
            "path": [str(path) for path in paths],
            "num_samples": [soundfile.info(path).frames for path in paths],
        }
    )


def of_tars(speech: Path) -> pd.DataFrame:
    tables = []
    for folder in sorted(speech.iterdir()):
        archive = speech.parent / "tars" / f"{folder.name}.tar"
        archive.parent.mkdir(exist_ok=True)
        with tarfile.open(archive, "w") as tar:
            tar.add(folder, folder.name)
        with tarfile.open(archive) as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
        rows = [(member.name, str(archive), member.offset_data, member.size) for member in members]
        table = pd.DataFrame(rows, columns=["path", "archive", "byte_offset", "byte_size"])
        table["num_samples"] = [soundfile.info(speech / member.name).frames for member in members]
        tables.append(table)
    return pd.concat(tables)


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
@pytest.mark.parametrize("table", [of_files, of_tars])
def test_the_audio_is_that_of_the_files(speech: Path, tmp_path: Path, table: object, ending: str) -> None:
    assert callable(table)
    rows = table(speech).assign(units="1,2,3")
    found, files = open_audio(write(rows, tmp_path / f"theirs{ending}")), scan(speech)
    assert found.frames.tolist() == files.frames.tolist()
    found.write(tmp_path / "train.tsv", {})
    again = Manifest.read(tmp_path / "train.tsv")
    assert len(again.archives) == (2 if table is of_tars else 0)
    for index in range(len(files)):
        np.testing.assert_array_equal(again.read_audio(index), files.read_audio(index))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,samples\na.wav,1\n", "num_samples.*it needs the columns path and num_samples"),
        ("path,num_samples\na.wav,many\n", "many"),
        ("path,num_samples\na.wav,\n", "is no manifest of SpidR"),
        ("path,num_samples\n", "lists no audio"),
        ("path,num_samples\na.wav,0\n", "an utterance without samples"),
        ("path,num_samples,archive,byte_offset,byte_size\na.wav,1,b.tar,-1,5\n", "a number below 0"),
        ("path,num_samples,archive,byte_offset,byte_size\na.wav,1,b.tar,0,5\n", r"b.tar` cannot be read \(No such file"),
        ("path,num_samples,archive\na.wav,1,b.tar\n", "byte_offset"),
        ("", "No columns"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "theirs.csv").write_text(text)
    with pytest.raises(BudgetError, match=told):
        open_audio(tmp_path / "theirs.csv")

"""`fairseq-budget labels`: what is written, what is kept, sharing the work, interruptions, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import soundfile
from rich.console import Console
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.data.arrays import write_sealed
from fairseq_budget.data.label_record import read_record
from fairseq_budget.data.labels import DICTIONARY_NAME, LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.labels import features as feature_stream
from fairseq_budget.labels import parts as label_parts
from fairseq_budget.labels.codebook import CENTRES_NAME, KMEANS_NAME
from fairseq_budget.labels.rounds import LabelSettings, make_labels
from tests.unit.labels.conftest import MFCC, alone, tones

SETTINGS = LabelSettings(clusters=8, n_init=2)


def made_files(folder: Path) -> dict[str, bytes]:
    labels = ("train.km", "valid.km", "train.km.bin", "valid.km.bin", "labels.json")
    names = (*labels, DICTIONARY_NAME, KMEANS_NAME, CENTRES_NAME)
    # the binary copies tell when their text was written
    return {name: (folder / name).read_bytes()[24 * name.endswith(".bin") :] for name in names}


@pytest.fixture
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts of few utterances."""
    monkeypatch.setattr(feature_stream, "POOL_UTTERANCES", 2)
    monkeypatch.setattr(label_parts, "POOL_UTTERANCES", 2)


def test_labels_name_the_nearest_centre(data: Path) -> None:
    record, worked = make_labels(data, SETTINGS, MFCC)
    assert record is not None and worked
    model = joblib.load(data / KMEANS_NAME)
    counts = np.zeros(8, dtype=np.int64)
    for split in ("train", "valid"):
        manifest, labels = Manifest.read(data / f"{split}.tsv"), LabelFile(data / f"{split}.km", 8)
        labels.check(manifest.frames, record.rate)
        for index in range(len(manifest)):
            frames = alone(manifest.audio_path(index))
            expected = model.predict(frames) if len(frames) else np.empty(0)
            # Streaming changes a feature's last bits, so a frame between two centres may fall to either.
            assert len(labels[index]) == len(expected)
            assert (labels[index] != expected).sum() <= 1
            if split == "train":
                counts += np.bincount(labels[index], minlength=8)
    told = record.splits["train"]
    assert (told["utterances"], told["frames"]) == (6, counts.sum())
    assert told["dead_clusters"] == (counts == 0).sum()
    assert told["codebook"] == record.splits["valid"]["codebook"] == record.codebook


def test_same_seed_same_files(data: Path, tmp_path: Path) -> None:
    make_labels(data, SETTINGS, MFCC)
    make_labels(data, SETTINGS, MFCC, tmp_path / "again")
    assert made_files(tmp_path / "again") == made_files(data)
    make_labels(data, LabelSettings(clusters=8, n_init=2, seed=1), MFCC)
    assert made_files(data)["train.km"] != made_files(tmp_path / "again")["train.km"]


def test_only_the_first_split_is_fitted_and_the_other_follows_its_manifest(data: Path) -> None:
    before, _ = make_labels(data, SETTINGS, MFCC)
    train = (data / "train.km").stat()
    soundfile.write(data / "other.flac", tones(5_000, 99), 16_000)
    Manifest(data, ["other.flac"], np.array([5_000])).write(data / "valid.tsv")
    after, worked = make_labels(data, SETTINGS, MFCC)
    assert before is not None and after is not None and worked
    assert after.codebook == before.codebook
    assert (data / "train.km").stat().st_mtime_ns == train.st_mtime_ns
    assert after.splits["valid"]["utterances"] == 1


def test_another_split_gets_the_same_codebook(data: Path) -> None:
    before, _ = make_labels(data, SETTINGS, MFCC)
    Manifest.read(data / "train.tsv").subset([1, 5]).write(data / "test.tsv")
    after, _ = make_labels(data, LabelSettings(("train", "test"), clusters=8, n_init=2), MFCC)
    assert before is not None and after is not None
    assert set(after.splits) == {"train", "valid", "test"}
    assert after.splits["test"]["codebook"] == before.codebook


def test_a_second_run_does_nothing(data: Path) -> None:
    record, _ = make_labels(data, SETTINGS, MFCC)
    assert make_labels(data, SETTINGS, MFCC) == (record, False)
    (data / "valid.km").unlink()
    assert make_labels(data, SETTINGS, MFCC) == (record, True)


def test_labels_that_were_edited_are_made_again(data: Path) -> None:
    make_labels(data, SETTINGS, MFCC)
    before = (data / "valid.km").read_text()
    for edited in (before.replace("1", "2", 1), "nonsense"):
        (data / "valid.km").write_text(edited)
        assert make_labels(data, SETTINGS, MFCC)[1]
        assert (data / "valid.km").read_text() == before


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_give_the_bytes_of_one_process(data: Path, tmp_path: Path, order: tuple[int, ...]) -> None:
    make_labels(data, SETTINGS, MFCC)
    for shard in order:
        record, worked = make_labels(
            data, LabelSettings(clusters=8, n_init=2, shards=3, shard=shard), MFCC, tmp_path / "shared"
        )
        assert worked
        assert (record is None) == (shard != order[-1])
    assert made_files(tmp_path / "shared") == made_files(data)
    assert not list((tmp_path / "shared").glob(".*parts*"))


@pytest.mark.usefixtures("small_pools")
def test_any_number_of_processes_finishes_what_another_began(data: Path, tmp_path: Path) -> None:
    make_labels(data, SETTINGS, MFCC)
    out = tmp_path / "shared"
    assert make_labels(data, LabelSettings(clusters=8, n_init=2, shards=3, shard=1), MFCC, out) == (None, True)
    record, _ = make_labels(data, SETTINGS, MFCC, out)
    assert record is not None
    assert made_files(out) == made_files(data)


@pytest.mark.usefixtures("small_pools")
def test_shards_at_the_same_time_fit_once(data: Path, tmp_path: Path) -> None:
    make_labels(data, SETTINGS, MFCC)
    results: list[bool] = []

    def work(shard: int) -> None:
        settings = LabelSettings(clusters=8, n_init=2, shards=3, shard=shard)
        results.append(make_labels(data, settings, MFCC, tmp_path / "shared")[0] is not None)

    threads = [threading.Thread(target=work, args=(shard,)) for shard in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(results)
    assert made_files(tmp_path / "shared") == made_files(data)


KILLED = """
import sys
from pathlib import Path
from fairseq_budget.labels import features, parts as label_parts
from fairseq_budget.labels.rounds import LabelSettings, make_labels
from tests.unit.labels.conftest import MFCC

class Slow(type(MFCC)):
    def __call__(self, waves, lengths):
        if (Path(sys.argv[2]) / "codebook.npy").exists():
            import time; time.sleep(0.3)
        return super().__call__(waves, lengths)

features.POOL_UTTERANCES = label_parts.POOL_UTTERANCES = 1
features.WORKERS = 1
make_labels(Path(sys.argv[1]), LabelSettings(clusters=8, n_init=2), Slow(MFCC.device), Path(sys.argv[2]))
"""


@pytest.mark.integration
def test_a_killed_process_goes_on_where_it_was(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL while parts are being made: those that are finished stay as they are, and the bytes come out the same."""
    for module in (feature_stream, label_parts):
        monkeypatch.setattr(module, "POOL_UTTERANCES", 1)
    make_labels(data, SETTINGS, MFCC)
    out = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(data), str(out)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(list(out.glob(".train.km.parts-*/*.npy"))) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.stderr.read() if process.stderr else ""
    finished = {path: path.stat().st_mtime_ns for path in out.glob(".train.km.parts-*/*.npy")}
    assert 2 <= len(finished) < 6 and not (out / "train.km").exists()
    seen: dict[Path, int] = {}
    read = label_parts.Parts.read

    def remember(parts: label_parts.Parts):  # type: ignore[no-untyped-def]
        seen.update({path: path.stat().st_mtime_ns for path in parts.folder.glob("*.npy")})
        return read(parts)

    monkeypatch.setattr(label_parts.Parts, "read", remember)
    make_labels(data, SETTINGS, MFCC, out)
    assert seen.items() >= finished.items(), "finished parts were made again"
    assert made_files(out) == made_files(data)


def test_an_interrupted_run_is_made_again(data: Path) -> None:
    soundfile.write(data / "4.flac", tones(10, 4), 16_000)
    Manifest(data, ["4.flac"], np.array([12_345])).write(data / "valid.tsv")
    Manifest(data, ["0.flac"], np.array([9_000])).write(data / "train.tsv")
    with pytest.raises(BudgetError, match=r"valid\.tsv`, line 2: .*4\.flac"):
        make_labels(data, SETTINGS, MFCC)
    soundfile.write(data / "4.flac", tones(12_345, 4), 16_000)
    record, worked = make_labels(data, SETTINGS, MFCC)
    assert record is not None and worked


def test_keeps_labels_of_another_origin(data: Path) -> None:
    (data / "valid.km").write_text("1 2 3\n")
    with pytest.raises(BudgetError, match=r"valid\.km` was not made here"):
        make_labels(data, SETTINGS, MFCC)


def test_refuses_to_outdate_a_split_that_is_not_named(data: Path) -> None:
    make_labels(data, SETTINGS, MFCC)
    with pytest.raises(BudgetError, match="also counts the split valid"):
        make_labels(data, LabelSettings(splits=("train",), clusters=9), MFCC)
    record, worked = make_labels(data, LabelSettings(splits=("train",), clusters=8, n_init=2), MFCC)
    assert record is not None and not worked


def test_refuses_a_broken_record(data: Path) -> None:
    (data / "labels.json").write_text("{}")
    with pytest.raises(BudgetError, match="not a record of labels"):
        make_labels(data, SETTINGS, MFCC)


def test_refuses_a_damaged_part(data: Path, tmp_path: Path) -> None:
    settings = LabelSettings(clusters=8, n_init=2, shards=2)
    assert make_labels(data, settings, MFCC, tmp_path / "out")[0] is not None, "one part a split: shard 0 has it"
    make_labels(data, LabelSettings(clusters=8, n_init=2, shards=2, shard=1), MFCC, tmp_path / "other")
    [folder] = [path for path in (tmp_path / "other").iterdir() if path.name.startswith(".train")]
    part = folder / "000000.npy"
    with part.open("wb") as file:
        write_sealed(file, np.zeros(7, np.uint16))
    with pytest.raises(BudgetError, match=r"000000\.npy` is damaged: delete it and start again"):
        make_labels(data, SETTINGS, MFCC, tmp_path / "other")
    flipped = bytearray(part.read_bytes())
    flipped[-40] ^= 1
    part.write_bytes(flipped)
    with pytest.raises(BudgetError, match=r"000000\.npy` has changed since it was written: delete it"):
        make_labels(data, SETTINGS, MFCC, tmp_path / "other")


def test_a_folder_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".labels.lock").mkdir()
    with pytest.raises(BudgetError, match="can't be written"):
        make_labels(data, SETTINGS, MFCC, out)


def test_all_bad_settings_are_named_at_once() -> None:
    bad = LabelSettings(("a", "a"), clusters=1, percent=0.0, seed=-1, n_init=0, max_gib=0.0, shards=2, shard=2)
    with pytest.raises(ConfigError, match="`splits`.*`clusters`.*`percent`.*`seed`.*`n_init`.*`max_gib`.*`shard` must"):
        bad.validate()
    with pytest.raises(ConfigError, match="`clusters` must be from 2 to 65536.*`shards` must be at least 1"):
        LabelSettings(clusters=70_000, shards=0).validate()


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"manifest `.*train\.tsv"):
        make_labels(tmp_path, SETTINGS, MFCC)


def test_command(data: Path) -> None:
    command = ["labels", str(data), "--clusters", "8", "--n-init", "2"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "8 clusters of mfcc39 at 100 Hz" in first.output
    record = json.loads((data / "labels.json").read_text())
    assert record["label_rate"] == 100 and record["splits"]["valid"]["utterances"] == 2
    files = made_files(data)
    second = CliRunner().invoke(app, command)
    assert "nothing to do" in second.output
    assert made_files(data) == files


def test_command_with_shards(data: Path, tmp_path: Path) -> None:
    """One part a split: shard 1 has nothing to do but k-means, shard 0 joins."""
    command = ["labels", "make", str(data), "--clusters", "8", "--label-dir", str(tmp_path / "out"), "--shards", "2"]
    first = CliRunner().invoke(app, [*command, "--shard", "1"])
    assert "shard 1 of 2 is done; the labels appear when the others are" in first.output
    assert "8 clusters of mfcc39" in CliRunner().invoke(app, [*command, "--shard", "0"]).output
    assert read_record(tmp_path / "out") is not None and read_record(data) is None


def test_command_refuses_a_layer_of_nothing(data: Path) -> None:
    result = CliRunner().invoke(app, ["labels", str(data), "--layer", "6"])
    assert isinstance(result.exception, ConfigError)
    assert "name the model with `--checkpoint`" in str(result.exception)


def test_no_progress_bar_where_nobody_looks(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not Console(stderr=True).is_terminal
    make_labels(data, SETTINGS, MFCC)
    assert capsys.readouterr().err == ""

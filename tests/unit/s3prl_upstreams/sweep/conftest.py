"""Small corpora of noise, and sweeps on them in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from s3prl_upstreams.sweep import settings, worker
from s3prl_upstreams.sweep.settings import SweepSettings

RATES = (1e-1, 1e-3)
KS = {"datarc.num_workers": 0, "datarc.batch_size": 4}
ASR = {**KS, "modelrc.project_dim": 8, "modelrc.RNNs.dim": [6, 6]}
OVERRIDES = {"ks": KS, "asr": ASR}


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``$SUPERB`` with KS and ASR on noise, in the official layouts; s3prl is ready to be imported."""
    worker.prepare_process()
    folder = tmp_path_factory.mktemp("superb")
    keywords(folder / "speech_commands")
    sentences(folder / "librispeech", folder / "asr")
    return folder


def write(path: Path, samples: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(scale=0.1, size=samples), 16000)


def keywords(folder: Path) -> None:
    """15 files to train on (three batches of 4), six for dev (spk10 and spk16, by the hash of the name; and the noise).

    Of noise s3prl takes a second at a random place, so that batches depend on where the random streams are.
    """
    names = [f"train/yes/spk0{number}_nohash_0.wav" for number in (0, 1, 2, 3, 4, 5)]
    names += [f"train/no/spk{number}_nohash_0.wav" for number in ("00", "01", "02", "03", "04", "05", "10", "16")]
    names += [f"train/_background_noise_/{name}.wav" for name in "abc"] + ["train/yes/spk10_nohash_0.wav"]
    names += ["test/yes/x.wav", "test/no/y.wav", "test/_silence_/z.wav"]
    for seed, name in enumerate(names):
        write(folder / name, 30000 if "background" in name else 4000 + 400 * seed, seed)


def sentences(root: Path, lists: Path) -> None:
    """Seven sentences to train on, two for dev and test; the lists that ASR's recipe wants."""
    (lists / "len_for_bucket").mkdir(parents=True)
    (lists / "char.dict").write_text("\n".join(f"{symbol} 1" for symbol in "|ETAONIHSRDLUMCWFGYPBVK'XJQZ") + "\n")
    for part, count in (("train-clean-100", 7), ("dev-clean", 2), ("test-clean", 2)):
        rows = []
        for number in range(count):
            samples = 12000 + 900 * number
            write(root / part / "1" / "1" / f"1-1-{number:04d}.flac", samples, number)
            rows.append(f"{number},{part}/1/1/1-1-{number:04d}.flac,{samples},")
        text = "".join(f"1-1-{number:04d} A BIT OF {'NOISE ' * number}\n" for number in range(count))
        (root / part / "1" / "1" / "1-1.trans.txt").write_text(text)
        table = "\n".join([",file_path,length,label", *reversed(rows)]) + "\n"
        (lists / "len_for_bucket" / f"{part}.csv").write_text(table)


@pytest.fixture
def plan(corpora: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SweepSettings]:
    """plan(task, folder, **changes): settings of a short sweep of two learning rates."""
    monkeypatch.setenv("SUPERB", str(corpora))
    for variable in ("SPEECH_COMMANDS", "LIBRISPEECH"):
        monkeypatch.delenv(variable, raising=False)

    def make(task: str = "ks", folder: str = "sweep", **changes: Any) -> SweepSettings:
        given = {"rates": RATES, "steps": 6, "device": "cpu", "overrides": [override(task)], "upstream": "budget_local"}
        checkpoint = None if changes.get("upstream") == "fbank" else str(tiny)
        return settings.tasks([task], tmp_path / folder, checkpoint, **{**given, **changes})[0]

    return make


def override(task: str) -> str:
    """s3prl's ``-o`` for a task's small heads and batches."""
    return ",,".join(f"config.downstream_expert.{key}={value}" for key, value in OVERRIDES.get(task, {}).items())


def silent(stage: str, done: int, of: int) -> None:
    """A report that nobody reads."""

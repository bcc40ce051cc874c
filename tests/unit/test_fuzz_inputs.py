"""Manifests, audio and values on command lines, changed at random: an answer, or one line that says what is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.data import audio
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from tests.common import waves
from tests.unit.test_fuzz import FEW, MANY, Changed, changes

SAMPLES = 12_345
FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III", "aiff": "PCM_16"}


def one_line(read: Callable[[], None]) -> None:
    """It may refuse, in one line; any other error is a fault."""
    try:
        read()
    except BudgetError as error:
        assert len(str(error).splitlines()) == 1


def with_changes(check: Callable[[Changed], None], examples: int) -> None:
    profile = settings(max_examples=examples, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    profile(given(changes())(check))()


def coded(format: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waves(1, SAMPLES)[0].numpy() / 10, 16_000, FORMATS[format], format=format.upper())
    return file.getvalue()


def hear(path: Path) -> None:
    header = audio.info(path)
    wave = audio.read(header)
    assert len(wave) == audio.frames_at_16k(header) <= 2**16 * path.stat().st_size
    assert np.isfinite(wave).all()


def check_audio(format: str, examples: int) -> None:
    content = coded(format)

    def check(change: Changed) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, f"a.{format}")
            path.write_bytes(change(content))
            one_line(lambda: hear(path))

    with_changes(check, examples)


def check_manifests(examples: int) -> None:
    """Rows are files, pieces of files and chains of pieces; whatever a row says, its length is what is read of it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.flac").write_bytes(coded("flac"))
        rows = (f"a.flac\t{SAMPLES}", "a.flac:100:4000\t4000", "a.flac:0:400,a.flac:9000:300\t700")
        content = "\n".join([folder, *rows, ""]).encode()
        path = Path(folder, "train.tsv")

        def read() -> None:
            manifest = Manifest.read(path)
            for index in range(len(manifest)):
                one_line(lambda index=index: _of_its_length(manifest, index))

        def check(change: Changed) -> None:
            path.write_bytes(change(content))
            one_line(read)

        with_changes(check, examples)


def _of_its_length(manifest: Manifest, index: int) -> None:
    assert len(manifest.read_audio(index)) == manifest.frames[index]


OPTIONS = "--flops --hours-heard --updates --sizes --objective --frontend --crop --ranks --layers --heads".split()
VALUES = st.one_of(
    *(st.text(max_size=12), st.integers().map(str), st.floats().map(str), st.floats(min_value=0).map(str)),
    st.sampled_from(["slim", "slim,30", "hubert", "tera", "mel", "0", "1e400", "-1", "١٢", "slim\n", "--help", "../x"]),
)


def check_values(examples: int) -> None:
    """Of `plan`, whose options are most other commands', too."""

    # a plan of all sizes takes as long as a hundred files
    @settings(max_examples=examples // 4, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(st.sampled_from(OPTIONS), VALUES, min_size=1, max_size=3))
    def check(options: dict[str, str]) -> None:
        result = CliRunner().invoke(app, ["plan", *(word for option in options.items() for word in option)])
        if result.exit_code:
            assert isinstance(result.exception, BudgetError | SystemExit), (options, result.exception)
            assert len(str(result.exception).splitlines()) == 1, options

    check()


CHECKS: dict[str, Callable[[int], None]] = {
    **{format: lambda examples, format=format: check_audio(format, examples) for format in FORMATS},
    "manifest": check_manifests,
    "values": check_values,
}


@pytest.mark.parametrize("name", list(CHECKS))
def test_an_answer_or_one_line(name: str) -> None:
    CHECKS[name](FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CHECKS))
def test_an_answer_or_one_line_in_many_cases(name: str) -> None:
    CHECKS[name](MANY)

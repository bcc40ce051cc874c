"""LibriSpeech's parts: found where they lie, fetched from a server, and never taken when they aren't complete."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from fairseq_budget.cli import corpus as corpus_command
from fairseq_budget.corpora import librispeech
from fairseq_budget.corpora.librispeech import LIBRISPEECH, MINI_LIBRISPEECH, Corpus, CorpusPart, fetch, find, prepare
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from tests.unit.corpora.archive_server import archive, serving

NAMES = ("train-clean-5", "train-other-5", "dev-clean-2", "test-clean")
FILES_PER_PART = 3


def flac(seed: int) -> bytes:
    buffer = io.BytesIO()
    wave = np.random.default_rng(seed).uniform(-0.3, 0.3, 1600 + 100 * seed)
    soundfile.write(buffer, wave, 16000, format="FLAC")
    return buffer.getvalue()


def members(name: str) -> dict[str, bytes]:
    audio = {f"LibriSpeech/{name}/1/2/1-2-{i:04d}.flac": flac(i) for i in range(FILES_PER_PART)}
    return audio | {"LibriSpeech/SPEAKERS.TXT": b"1 | F\n", f"LibriSpeech/{name}/1/2/1-2.trans.txt": b"1-2-0000 WORDS\n"}


ARCHIVES = {f"{name}.tar.gz": archive(members(name)) for name in NAMES}


def part(name: str, content: bytes) -> CorpusPart:
    return CorpusPart(name, len(content), hashlib.md5(content).hexdigest(), FILES_PER_PART)


def tiny(archives: dict[str, bytes] = ARCHIVES) -> Corpus:
    parts = tuple(part(name, archives[f"{name}.tar.gz"]) for name in NAMES)
    manifests = {"train": NAMES[:2], "valid": NAMES[2:3], "test-clean": NAMES[3:]}
    return Corpus("tiny", "https://www.example.org/resources/0", parts, manifests)


def unpacked(folder: Path, *names: str) -> None:
    for name in names:
        for path, content in members(name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def fetched(corpus: Corpus, root: Path, url: str) -> list[str]:
    lines: list[str] = []
    fetch(corpus, root, url, lines.append, pauses=(0.0,))
    return lines


@pytest.mark.parametrize("given", ["parent", "LibriSpeech"])
def test_manifests_of_what_is_there(tmp_path: Path, given: str) -> None:
    unpacked(tmp_path, *NAMES)
    root = tmp_path if given == "parent" else tmp_path / "LibriSpeech"
    made = dict(prepare(tiny(), root, tmp_path / "manifests"))
    assert [path.relative_to(tmp_path) for path in made] == [
        Path("manifests/tiny", f"{name}.tsv") for name in ("train", "valid", "test-clean")
    ]
    train = Manifest.read(tmp_path / "manifests/tiny/train.tsv")
    assert list(train.frames) == [1600, 1700, 1800] * 2
    top = "LibriSpeech/" if given == "parent" else ""
    assert train.paths[3] == f"{top}train-other-5/1/2/1-2-0000.flac"
    assert len(train.read_audio(5)) == 1800
    assert train.header["source"] == "https://www.example.org/0"
    assert train.header["parts"] == "train-clean-5, train-other-5"


def test_parts_beside_each_other_without_their_folder(tmp_path: Path) -> None:
    unpacked(tmp_path, *NAMES)
    (tmp_path / "LibriSpeech").rename(tmp_path / "speech")
    assert find(tiny(), tmp_path / "speech").keys() == set(NAMES)


def test_a_missing_test_set_is_left_out(tmp_path: Path) -> None:
    unpacked(tmp_path, *NAMES[:3])
    made = {path.stem: manifest for path, manifest in prepare(tiny(), tmp_path, tmp_path / "m")}
    assert made["test-clean"] is None
    assert not (tmp_path / "m/tiny/test-clean.tsv").exists()
    assert len(made["train"] or ()) == 6


def test_what_to_put_where(tmp_path: Path) -> None:
    unpacked(tmp_path, NAMES[0])
    place = re.escape(str(tmp_path))
    message = (
        rf"^`{place}` has no train-other-5, dev-clean-2: unpack the archives of https://www\.example\.org/0 there, so that "
        rf"there is `{place}/LibriSpeech/train-other-5`, or add `--download` \([\de.-]+ GB\)$"
    )
    with pytest.raises(BudgetError, match=message):
        list(prepare(tiny(), tmp_path, tmp_path / "m"))


def test_a_part_that_is_not_complete(tmp_path: Path) -> None:
    unpacked(tmp_path, *NAMES)
    (tmp_path / "LibriSpeech/train-other-5/1/2/1-2-0001.flac").unlink()
    with pytest.raises(
        BudgetError, match=r"train-other-5` has 2 audio files, train-other-5 has 3: unpack its archive again"
    ):
        list(prepare(tiny(), tmp_path, tmp_path / "m"))


def test_a_damaged_file_is_unpacked_again(tmp_path: Path) -> None:
    """This command has no `--skip-bad`: with a file less, a part is no longer itself."""
    unpacked(tmp_path, *NAMES)
    (tmp_path / "LibriSpeech/train-other-5/1/2/1-2-0001.flac").write_bytes(b"fLaC")
    with pytest.raises(
        BudgetError, match=r"1 of 3 files can't be used: .*1-2-0001\.flac.*; unpack this part's archive again"
    ):
        list(prepare(tiny(), tmp_path, tmp_path / "m"))


def test_fetch_what_is_missing(tmp_path: Path) -> None:
    unpacked(tmp_path, NAMES[1])
    with serving(ARCHIVES, cuts=[None, 100]) as server:
        lines = fetched(tiny(), tmp_path, server.url + "/")
        assert len(server.ranges) == len(NAMES)  # three parts, one of them in two pieces
        assert [line.split(":")[0] for line in lines] == [NAMES[0]] * 2 + [NAMES[2]] * 2 + [NAMES[3]] * 2
        assert fetched(tiny(), tmp_path, server.url) == []
    assert {path.name for path in tmp_path.iterdir()} == {"LibriSpeech"}
    assert {path.name for path in (tmp_path / "LibriSpeech").iterdir()} == {*NAMES, "SPEAKERS.TXT"}
    assert len(dict(prepare(tiny(), tmp_path, tmp_path / "m"))) == 3


def test_an_interrupted_unpacking_begins_again(tmp_path: Path) -> None:
    left = tmp_path / "LibriSpeech" / ".train-clean-5.unfinished" / "LibriSpeech" / "train-clean-5"
    unpacked(left, "from-an-earlier-call")
    with serving(ARCHIVES) as server:
        fetched(tiny(), tmp_path, server.url)
    assert len(list((tmp_path / "LibriSpeech/train-clean-5").rglob("*.flac"))) == FILES_PER_PART
    assert not list((tmp_path / "LibriSpeech").glob(".*"))


def test_an_archive_that_is_interrupted_while_unpacked_is_no_part(tmp_path: Path) -> None:
    """The checksum is right, but there's a link in it: what was unpacked by then doesn't count as the part."""
    link = tarfile.TarInfo("LibriSpeech/train-clean-5/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    evil = ARCHIVES | {"train-clean-5.tar.gz": archive(members("train-clean-5") | {"link": link})}
    with serving(evil) as server, pytest.raises(BudgetError, match="holds a link"):
        fetched(tiny(evil), tmp_path, server.url)
    assert find(tiny(), tmp_path) == {}


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    other = ARCHIVES | {"train-clean-5.tar.gz": archive(members("dev-clean"))}
    with serving(other) as server, pytest.raises(BudgetError, match=r"has no folder LibriSpeech/train-clean-5"):
        fetched(tiny(other), tmp_path, server.url)


def test_no_room_is_seen_before_anything_is_fetched(tmp_path: Path) -> None:
    huge = Corpus("tiny", "", (CorpusPart("train", 10**18, ""),), {})
    with pytest.raises(BudgetError, match=r"has room for [\d.]+ GB, but .* 1 archives takes 2050000000"):
        fetched(huge, tmp_path, "http://127.0.0.1:1")


@pytest.mark.parametrize("corpus", [LIBRISPEECH, MINI_LIBRISPEECH])
def test_the_table_of_parts(corpus: Corpus) -> None:
    names = {part.name for part in corpus.parts}
    assert {name for parts in corpus.manifests.values() for name in parts} == names
    assert len({part.md5 for part in corpus.parts}) == len(corpus.parts)
    assert all(len(bytes.fromhex(part.md5)) == 16 for part in corpus.parts)


def test_the_training_set_is_960_hours_of_utterances() -> None:
    """Number of training utterances as in Panayotov et al.'s corpus, the file counts that all toolkits report."""
    counts = {part.name: part.utterances or 0 for part in LIBRISPEECH.parts}
    assert sum(counts[name] for name in LIBRISPEECH.manifests["train"]) == 281_241


def command(*arguments: object) -> str:
    result = CliRunner().invoke(corpus_command.app, [str(argument) for argument in arguments])
    if result.exception:
        raise result.exception
    return result.stdout


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librispeech, "MINI_LIBRISPEECH", tiny())
    monkeypatch.setenv("FAIRSEQ_BUDGET_MANIFESTS", str(tmp_path / "m"))
    with serving({name: content for name, content in ARCHIVES.items() if not name.startswith("test")}) as server:
        with pytest.raises(BudgetError, match=r"test-clean\.tar\.gz` answers 404"):
            command("mini-librispeech", tmp_path, "--download", "--url", server.url)
    printed = command("mini-librispeech", tmp_path)
    assert printed.splitlines() == [
        f"train: 6 utterances, 0.000 h, {tmp_path}/m/tiny/train.tsv",
        f"valid: 3 utterances, 0.000 h, {tmp_path}/m/tiny/valid.tsv",
        "test-clean: not there, left out",
    ]


def test_some_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out isn't fetched, and its manifests don't replace those of the whole."""
    monkeypatch.setattr(librispeech, "LIBRISPEECH", replace(tiny(), name="tiny_960h"))
    with serving(ARCHIVES) as server:
        command = ["librispeech", str(tmp_path), "--out", str(tmp_path / "m"), "--download", "--url", server.url]
        told = CliRunner().invoke(corpus_command.app, [*command, "--parts", "train-other-5, test-clean"])
    assert told.exit_code == 0, told.exception
    assert sorted(path.name for path in (tmp_path / "LibriSpeech").iterdir() if path.is_dir()) == [
        "test-clean",
        "train-other-5",
    ]
    folder = tmp_path / "m" / "tiny_train-other-5"
    assert sorted(path.stem for path in folder.glob("*.tsv")) == ["test-clean", "train", "valid"]
    assert "test-clean/1/2" in (folder / "valid.tsv").read_text()


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["train-clean-100", "dev"], "unknown part of librispeech_960h `dev`: choose one of train-clean-100, .*test-other"),
        (["train-clean-100"], "`--parts` needs a part to train on and one to validate on"),
        (["dev-clean", "test-other"], "needs a part to train on"),
    ],
)
def test_parts_that_make_no_corpus(parts: list[str], told: str) -> None:
    with pytest.raises(BudgetError, match=told):
        librispeech.of_parts(LIBRISPEECH, parts)


def test_dev_clean_is_for_validation_where_it_is_there() -> None:
    some = librispeech.of_parts(LIBRISPEECH, ["test-other", "dev-other", "dev-clean", "train-clean-360", "train-clean-100"])
    assert some.name == "librispeech_train-clean-100_train-clean-360"
    assert some.manifests["train"] == ("train-clean-100", "train-clean-360")
    assert some.manifests["valid"] == ("dev-clean",)


def test_a_mirror_without_a_download(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="`--url` says where to download from: add `--download`"):
        command("librispeech", tmp_path, "--url", "http://example.org")

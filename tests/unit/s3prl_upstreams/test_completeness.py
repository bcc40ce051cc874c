"""Incomplete corpora get no score: for each task, files of its miniature corpus are removed."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairseq_budget.corpora.superb.prepare import prepare
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.superb.everything import INSIDE, OF_TASK
from s3prl_upstreams import checks, completeness
from s3prl_upstreams.completeness import IncompleteCorpus
from s3prl_upstreams.sweep import worker
from s3prl_upstreams.tasks import TASKS

RECIPES = Path(__file__).parents[3] / "recipes" / "superb"

REMOVED = {
    "pr": ("librispeech/train-clean-100/9001/1/9001-1-0001.flac", "*.trans.txt"),
    "asr": ("librispeech/train-clean-100/9001/1/9001-1-0001.flac", "train-clean-100.csv"),
    "asr_zh": ("asr_zh/clips/common_voice_zh-CN_18000001.wav", "train.tsv"),
    "ks": ("speech_commands/test/yes/*_nohash_0.wav", "testing_list.txt"),
    "ks35": ("speech_commands_v0.02/yes/*_nohash_0.wav", "testing_list.txt"),
    "ic": ("fluent_commands/wavs/speakers/4BrX8aDqK2cLZRYl/train-0007.wav", "train_data.csv"),
    "sf": ("snips/valid/Amy-snips-valid-0.wav", "all.iob.snips.txt"),
    "sid": ("voxceleb1/dev/wav/id10002/7gWzIy6yIIk/00001.wav", "veri_test_class.txt"),
    "asv": ("voxceleb1/test/wav/id10270/7gWzIy6yIIk/00001.wav", "voxceleb1_test_v2.txt"),
    "sd": ("libri2mix/wav16k/max/dev/mix_both/*-0001.wav", "wav.scp"),
    "er": ("iemocap/Session3/sentences/wav/Ses03F_impro01/Ses03F_impro01_F002.wav", "_meta_data.json"),
    "qbe": ("quesst14/Audio/quesst14_00002.wav", "language_key_utterances.lst"),
    "keywords": ("speech_commands_v0.02/yes/*_nohash_0.wav", "files.tsv"),
    "speakers": ("voxceleb1/dev/wav/id10002/7gWzIy6yIIk/00001.wav", "veri_test_class.txt"),
}
"""A file, or several of one pattern, and the list that names them."""

EVERY_TASK = pytest.mark.parametrize("name", TASKS)


@pytest.fixture
def corpora(miniatures: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """corpora(task): a folder for ``$SUPERB`` with a copy of what the task needs, to remove files from."""

    worker.prepare_process()  # s3prl is ready to be imported

    def copy(name: str) -> Path:
        complete, folder = miniatures(name), tmp_path / "superb"
        shutil.copytree(complete / OF_TASK[name], folder / OF_TASK[name], symlinks=True)
        if name in ("sd", "ks35", "keywords", "speakers"):  # absolute paths
            prepare(name, folder / OF_TASK[name] / INSIDE.get(name, ""), folder, own_lists=True)
        elif (complete / name).is_dir():
            shutil.copytree(complete / name, folder / name)
        monkeypatch.setenv("SUPERB", str(folder))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for variable in {variable for task in TASKS.values() for variable in task.corpora} - {"SUPERB"}:
            monkeypatch.delenv(variable, raising=False)
        return folder

    return copy


def arguments(name: str, mode: str | None = None) -> Namespace:
    """s3prl's, for a task's recipe: training, or the evaluation of one that has none."""
    task = TASKS[name]
    mode = mode or ("train" if task.trains else "evaluate")
    return Namespace(device="cpu", downstream=task.downstream, mode=mode, evaluate_split=task.test_split)


def prepared(name: str, mode: str | None = None, allow: bool = False) -> dict[str, Any]:
    """The configuration of a task's run after all checks."""
    config = yaml.safe_load((RECIPES / TASKS[name].recipe).read_text(encoding="utf-8"))
    if "batch_size" in config["downstream_expert"].get("datarc", {}):
        config["downstream_expert"]["datarc"]["batch_size"] = 2
    checks.prepare(arguments(name, mode), config, allow)
    return config


def remove(folder: Path, pattern: str) -> list[Path]:
    found = [path for path in folder.glob(pattern) if path.is_file()]
    for path in found:
        path.unlink()
    assert found, pattern
    return found


@EVERY_TASK
def test_miniature_corpora_are_complete(name: str, corpora: Callable[[str], Path]) -> None:
    corpora(name)
    assert completeness.MARK not in prepared(name)


@EVERY_TASK
def test_every_task_has_lists_of_every_split(name: str, corpora: Callable[[str], Path]) -> None:
    """And they name something of each, so that nothing is complete because nothing was compared."""
    corpora(name)
    task = TASKS[name]
    expert = prepared(name)["downstream_expert"]
    for split in filter(None, ("train" if task.trains else None, task.dev_split, task.test_split)):
        listings = list(task.lists(expert, [split])) if task.lists else []
        assert any(listing.names and not listing.needed for listing in listings), split


@EVERY_TASK
def test_what_is_missing_is_named(name: str, corpora: Callable[[str], Path]) -> None:
    folder = corpora(name)
    pattern, source = REMOVED[name]
    removed = remove(folder, pattern)
    with pytest.raises(IncompleteCorpus) as raised:
        prepared(name)
    message = str(raised.value)
    assert f"the corpus of `{name}` is incomplete, " in message and "\n" not in message
    assert source in message and any(path.stem.partition("_nohash_")[0] in message for path in removed)
    assert message.endswith("complete the corpus, or add `--allow-incomplete`, which marks the score")


def test_how_much_of_how_many(corpora: Callable[[str], Path]) -> None:
    """IC's tables name 12, 6 and 6 recordings, and are three files themselves."""
    folder = corpora("ic")
    remove(folder, "fluent_commands/wavs/speakers/4BrX8aDqK2cLZRYl/*.wav")
    with pytest.raises(IncompleteCorpus, match="6 of 27 files are missing: 6 of 12 that `.*/data/train_data.csv` names in"):
        prepared("ic")


@EVERY_TASK
def test_going_on_without_marks_the_run_and_reads_what_is_there(name: str, corpora: Callable[[str], Path]) -> None:
    folder = corpora(name)
    remove(folder, REMOVED[name][0])
    config = prepared(name, allow=True)
    mark = config[completeness.MARK]
    assert 0 < mark["missing"] < mark["of"] and mark["such_as"]
    task = TASKS[name]
    splits = [split for split in ("train", task.dev_split, task.test_split) if split]
    assert task.lists is not None
    written = [item for item in task.lists(config["downstream_expert"], splits) if "cache" in Path(item.source).parts]
    assert bool(written) == (task.leave_out is not None and name not in ("ks", "ks35"))
    assert not any(listing.missing for listing in written)


def test_lists_of_what_is_there_are_kept_from_others(corpora: Callable[[str], Path], tmp_path: Path) -> None:
    folder = corpora("ic")
    remove(folder, REMOVED["ic"][0])
    prepared("ic", allow=True)
    (own,) = (tmp_path / "cache" / "fairseq-budget" / "incomplete" / "ic").iterdir()
    assert own.stat().st_mode & 0o077 == 0
    own.chmod(0o777)
    with pytest.raises(BudgetError, match="can be written to by others"):
        prepared("ic", allow=True)


@EVERY_TASK
def test_nothing_of_a_list_is_refused_in_any_case(name: str, corpora: Callable[[str], Path]) -> None:
    folder = corpora(name)
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".wav", ".flac"}:
            path.unlink()
    with pytest.raises(BudgetError, match=r"incomplete|has 0 files|is none of|no recordings"):
        prepared(name, allow=True)


def test_an_evaluation_needs_its_own_split_only(corpora: Callable[[str], Path]) -> None:
    folder = corpora("asr")
    remove(folder, REMOVED["asr"][0])
    assert completeness.MARK not in prepared("asr", "evaluate")
    remove(folder, "librispeech/test-clean/9004/1/*-0002.flac")
    with pytest.raises(IncompleteCorpus, match="`.*test-clean.csv`"):
        prepared("asr", "evaluate")


def test_the_mark_of_training_stays_with_its_checkpoint(corpora: Callable[[str], Path]) -> None:
    folder = corpora("sid")
    remove(folder, REMOVED["sid"][0])
    config = prepared("sid", allow=True)
    before = dict(config[completeness.MARK])
    args = arguments("sid", "evaluate")
    checks.prepare(args, config)
    assert config[completeness.MARK] == before
    remove(folder, "voxceleb1/dev/wav/id10003/8jEAjG6SegY/00001.wav")
    with pytest.raises(IncompleteCorpus, match="id10003/8jEAjG6SegY/00001.wav"):
        checks.prepare(args, config)
    checks.prepare(args, config, allow_incomplete=True)
    assert config[completeness.MARK]["missing"] == before["missing"] + 1


def test_what_was_missing_in_training_is_not_refused_when_its_checkpoint_is_evaluated(
    corpora: Callable[[str], Path],
) -> None:
    """KS's lists are the corpus's own and stay as they are."""
    folder = corpora("ks")
    remove(folder, REMOVED["ks"][0])
    config = prepared("ks", allow=True)
    before = dict(config[completeness.MARK])
    checks.prepare(arguments("ks", "evaluate"), config)
    assert config[completeness.MARK] == before


@pytest.mark.parametrize(
    ("name", "corpus", "inside"),
    [
        ("pr", "librispeech", "train-clean-100"),
        ("asr", "librispeech", "train-clean-100"),
        ("ic", "fluent_commands", "data/train_data.csv"),
        ("sid", "voxceleb1", "id10001"),
        ("er", "iemocap", "Session"),
        ("qbe", "quesst14", "scoring"),
    ],
)
def test_files_one_folder_deeper(name: str, corpus: str, inside: str, corpora: Callable[[str], Path]) -> None:
    root = corpora(name) / corpus
    root.rename(root.with_name("moved"))
    root.mkdir()
    root.with_name("moved").rename(root / "Corpus")
    with pytest.raises(BudgetError) as raised:
        prepared(name, allow=True)
    message = str(raised.value)
    assert "are of another layout: expected `" in message and f"found `{root}/Corpus/" in message and inside in message


def test_a_list_with_another_root(corpora: Callable[[str], Path]) -> None:
    """Buckets whose paths begin with a folder that isn't there."""
    folder = corpora("asr")
    table = folder / "asr" / "len_for_bucket" / "dev-clean.csv"
    table.write_text(table.read_text().replace("dev-clean/", "LibriSpeech/dev-clean/"))
    with pytest.raises(
        BudgetError, match="`.*dev-clean.csv` are of another layout: expected `.*/LibriSpeech/dev-clean/9003"
    ):
        prepared("asr")


def test_a_bucket_that_is_not_there(corpora: Callable[[str], Path]) -> None:
    """s3prl would only warn."""
    folder = corpora("asr")
    (folder / "asr" / "len_for_bucket" / "dev-clean.csv").unlink()
    with pytest.raises(
        BudgetError, match="1 of 3 that the recipe names in `.*len_for_bucket`, such as `dev-clean.csv`: complete"
    ):
        prepared("asr", allow=True)


def test_a_bucket_made_when_less_was_there(corpora: Callable[[str], Path]) -> None:
    folder = corpora("asr")
    table = folder / "asr" / "len_for_bucket" / "train-clean-100.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(IncompleteCorpus, match="2 of 10 that `.*trans.txt` names in `.*/train-clean-100.csv`, such as"):
        prepared("asr")
    assert prepared("asr", allow=True)[completeness.MARK]["missing"] == 2


def test_a_test_set_of_keywords_with_names_of_its_own(corpora: Callable[[str], Path]) -> None:
    folder = corpora("ks") / "speech_commands" / "test" / "yes"
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{number}.wav")
    assert completeness.MARK not in prepared("ks")
    (folder / "0.wav").unlink()
    with pytest.raises(IncompleteCorpus, match="of 20 that `.*testing_list.txt` names in `.*test`, such as `yes/"):
        prepared("ks")


def test_speakers_of_librispeech(corpora: Callable[[str], Path]) -> None:
    """Its own list names a speaker of whom nothing was unpacked."""
    root = corpora("pr") / "librispeech"
    rows = [
        "; ID | SEX | SUBSET | MINUTES | NAME",
        "9001 | F | train-clean-100 | 25.03 | A",
        "77 | M | train-clean-100 | 1 | B",
    ]
    (root / "SPEAKERS.TXT").write_text("\n".join([*rows, "78 | M | train-clean-360 | 1 | C"]) + "\n")
    with pytest.raises(IncompleteCorpus, match="1 of 2 that `.*SPEAKERS.TXT` names in `.*`, such as `train-clean-100/77`"):
        prepared("pr")

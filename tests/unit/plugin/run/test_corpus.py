"""A corpus that changed between two starts of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.segments import Segments
from fairseq_budget.plugin.run.corpus import CorpusWatch


def manifest(folder: Path, *seconds: int) -> Manifest:
    folder.mkdir(exist_ok=True)
    names = [f"{number}.flac" for number in range(len(seconds))]
    Manifest(folder, names, 16_000 * np.array(seconds)).write(folder / "train.tsv")
    return Manifest.read(folder / "train.tsv")


def test_the_digest_is_that_of_the_rows(tmp_path: Path) -> None:
    here, elsewhere = manifest(tmp_path / "here", 2, 3), manifest(tmp_path / "elsewhere", 2, 3)
    assert here.digest == elsewhere.digest, "where the folder lies makes no difference"
    here.write(tmp_path / "headed.tsv", {"made by": "us"})
    assert Manifest.read(tmp_path / "headed.tsv").digest == here.digest
    assert manifest(tmp_path / "other", 3, 2).digest != here.digest


def test_subsets_and_segments_have_digests_of_their_own(tmp_path: Path) -> None:
    whole = manifest(tmp_path, 4, 6, 8)
    assert whole.subset(range(3)).digest == whole.digest
    assert len({whole.digest, whole.subset([0, 1]).digest, whole.subset([1, 0]).digest}) == 3
    cuts = [Segments(whole, np.zeros(3, dtype=np.int64), seconds) for seconds in (3.0, 3.0, 2.0)]
    assert cuts[0].digest == cuts[1].digest != cuts[2].digest
    assert cuts[0].digest != whole.digest


@pytest.mark.parametrize("loaded_first", [True, False])
def test_a_change_is_told_and_stays_in_the_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, loaded_first: bool
) -> None:
    """fairseq loads the validation split before it reads a checkpoint, and the training split after."""
    begun = CorpusWatch()
    begun.note("train", manifest(tmp_path / "before", 2, 3))
    assert begun.entries() == {"digests": {"train": manifest(tmp_path / "before", 2, 3).digest}}
    again, changed = CorpusWatch(), manifest(tmp_path / "since", 2, 3, 4)
    for step in (1, 2) if loaded_first else (2, 1):
        if step == 1:
            again.note("train", changed)
        else:
            again.load_state_dict(begun.state_dict())
    assert "`train` lists 3 utterances (0.00 h), other ones than the 2 (0.00 h)" in caplog.text
    (change,) = again.entries()["corpus_changes"]
    assert (change["split"], change["before"]["utterances"], change["since"]["utterances"]) == ("train", 2, 3)
    third = CorpusWatch()
    third.load_state_dict(again.state_dict())
    third.note("train", changed)
    assert third.entries() == again.entries(), "told once"

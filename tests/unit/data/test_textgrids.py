"""Phones out of Praat's TextGrids, as the Montreal Forced Aligner writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.data.alignments import Alignments
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.textgrids import find_textgrids, read_textgrid
from fairseq_budget.errors import BudgetError

textgrid = pytest.importorskip("praatio.textgrid")
PHONES = [(0.1, 0.2, "K"), (0.2, 0.35, "AE1"), (0.35, 0.5, "T")]


def write(path: Path, tier: str = "phones") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words", [(0.1, 0.5, "cat")], 0, 1.0))
    grid.addTier(textgrid.IntervalTier(tier, PHONES, 0, 1.0))
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True)


def test_phones_without_stress_and_silence_in_the_gaps(tmp_path: Path) -> None:
    write(tmp_path / "a.TextGrid")
    found = read_textgrid(tmp_path / "a.TextGrid")
    assert found.phones == ["sil", "K", "AE", "T", "sil"]
    np.testing.assert_allclose([*found.starts, found.end], [0, 0.1, 0.2, 0.35, 0.5, 1.0])


def test_a_folder_of_them_tells_the_phones_of_a_manifest(tmp_path: Path) -> None:
    """In folders of another layout than the audio's, as LibriSpeech's are."""
    soundfile.write(tmp_path / "84-121123-0000.flac", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "84-121123-0001.flac", np.zeros(16000), 16000)
    write(tmp_path / "aligned" / "84" / "121123" / "84-121123-0000.TextGrid")
    manifest = Manifest(tmp_path, ["84-121123-0000.flac", "84-121123-0001.flac"], np.array([16000, 16000]))
    alignments = Alignments(tmp_path / "aligned")
    codes = alignments.codes_at(manifest, 0, np.array([0.05, 0.15, 0.3, 0.45, 0.9]))
    assert [alignments.phones[code] for code in codes] == ["sil", "K", "AE", "T", "sil"]
    assert alignments.codes_at(manifest, 1, np.array([0.5])).tolist() == [-1]


def test_what_is_no_alignment(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"no alignments `\*\.TextGrid` below `.*`: name their folder, or a CTM file"):
        find_textgrids(tmp_path)
    (tmp_path / "a.TextGrid").write_text("nothing")
    with pytest.raises(BudgetError, match=r"a\.TextGrid` can't be read as a TextGrid \(.*\): copy it again"):
        read_textgrid(tmp_path / "a.TextGrid")
    write(tmp_path / "b.TextGrid", tier="syllables")
    with pytest.raises(BudgetError, match=r"b\.TextGrid` has no intervals in a tier called `phones`"):
        read_textgrid(tmp_path / "b.TextGrid")

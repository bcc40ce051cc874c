"""Missing files are found, folder by folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.data import manifest as manifest_module
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.presence import missing


def test_every_missing_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "folder.wav").mkdir()
    for name in ("a/0.wav", "a/2.wav", "3.wav"):
        (tmp_path / name).touch()
    (tmp_path / "link.wav").symlink_to(tmp_path / "3.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "none.wav")
    names = ["a/0.wav", "a/1.wav", "a/2.wav", "3.wav", "b/4.wav", "folder.wav", "link.wav", "broken.wav"]
    manifest = Manifest(tmp_path, names, np.ones(len(names), dtype=np.int64))
    expected = [(1, "a/1.wav"), (4, "b/4.wav"), (5, "folder.wav"), (7, "broken.wav")]
    for block in (1, 3, 1000):
        monkeypatch.setattr(manifest_module, "BLOCK", block)
        assert list(missing(manifest)) == expected


def test_all_pieces_of_a_chain_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "train.tsv").write_text(f"{tmp_path}\na.wav\t0\t5\tb.wav\t0\t5\n")
    assert list(missing(Manifest.read(tmp_path / "train.tsv"))) == [(0, "b.wav")]

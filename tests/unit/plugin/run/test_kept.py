"""Checkpoints at shares of the budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.plugin.run.kept import KeptCheckpoints


def test_each_share_passes_once() -> None:
    kept = KeptCheckpoints(4)
    assert [kept.pass_by(progress) for progress in (0.1, 0.25, 0.3, 0.49, 0.8, 0.9, 1.02, 1.3)] == [
        *(False, True, False, False),
        *(True, False, True, False),
    ]


def test_no_shares_never_pass() -> None:
    assert not KeptCheckpoints(0).pass_by(1.0)


def test_a_kept_checkpoint_outlives_fairseqs_name(tmp_path: Path) -> None:
    kept, written = KeptCheckpoints(4), tmp_path / "checkpoint_1_7.pt"
    written.write_bytes(b"weights")
    kept.keep(written)
    assert list(tmp_path.iterdir()) == [written], "no share has passed"
    kept.pass_by(0.6)
    kept.keep(written)
    written.unlink()
    assert (tmp_path / "checkpoint_2_of_4.pt").read_bytes() == b"weights"
    assert not kept.due


def test_without_hard_links_it_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("os.link", refuse)
    kept, written = KeptCheckpoints(1), tmp_path / "checkpoint_last.pt"
    written.write_bytes(b"weights")
    kept.pass_by(1.0)
    kept.keep(written)
    assert (tmp_path / "checkpoint_1_of_1.pt").read_bytes() == b"weights"


def test_a_resumed_run_keeps_what_was_kept(tmp_path: Path) -> None:
    """The first save after a resume is no checkpoint of the share that passed before."""
    kept = KeptCheckpoints(4)
    (tmp_path / "checkpoint_1_of_4.pt").write_bytes(b"of the first quarter")
    kept.resume(0.29)
    written = tmp_path / "checkpoint_last.pt"
    written.write_bytes(b"later")
    kept.keep(written)
    assert (tmp_path / "checkpoint_1_of_4.pt").read_bytes() == b"of the first quarter"
    assert kept.pass_by(0.5)
    kept.keep(written)
    assert (tmp_path / "checkpoint_2_of_4.pt").read_bytes() == b"later"

"""Checkpoints at shares of the budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.plugin.run.kept import KeptCheckpoints


def test_each_share_passes_once() -> None:
    kept = KeptCheckpoints(4, {"updates": 24})
    assert [kept.pass_by(progress) for progress in (0.1, 0.25, 0.3, 0.49, 0.8, 0.9, 1.02, 1.3)] == [
        *(False, True, False, False),
        *(True, False, True, False),
    ]


def test_no_shares_never_pass() -> None:
    assert not KeptCheckpoints(0, {"updates": 24}).pass_by(1.0)


def test_a_kept_checkpoint_outlives_fairseqs_name(tmp_path: Path) -> None:
    kept, written = KeptCheckpoints(4, {"updates": 24}), tmp_path / "checkpoint_1_7.pt"
    written.write_bytes(b"weights")
    kept.keep(written)
    assert list(tmp_path.iterdir()) == [written], "no share has passed"
    kept.pass_by(0.6)
    kept.keep(written)
    written.unlink()
    assert (tmp_path / "checkpoint_at_12_updates.pt").read_bytes() == b"weights"
    assert kept.due is None


def test_without_hard_links_it_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("os.link", refuse)
    kept, written = KeptCheckpoints(1, {"updates": 24}), tmp_path / "checkpoint_last.pt"
    written.write_bytes(b"weights")
    kept.pass_by(1.0)
    kept.keep(written)
    assert (tmp_path / "checkpoint_at_24_updates.pt").read_bytes() == b"weights"


def test_a_resumed_run_keeps_what_was_kept(tmp_path: Path) -> None:
    """The first save after a resume is no checkpoint of the share that passed before."""
    kept = KeptCheckpoints(4, {"updates": 24})
    (tmp_path / "checkpoint_at_6_updates.pt").write_bytes(b"of the first quarter")
    kept.resume(0.29)
    written = tmp_path / "checkpoint_last.pt"
    written.write_bytes(b"later")
    kept.keep(written)
    assert (tmp_path / "checkpoint_at_6_updates.pt").read_bytes() == b"of the first quarter"
    assert kept.pass_by(0.5)
    kept.keep(written)
    assert (tmp_path / "checkpoint_at_12_updates.pt").read_bytes() == b"later"


def test_a_name_tells_the_amount_in_every_currency() -> None:
    kept = KeptCheckpoints(4, {"flops": 3e18, "hours_heard": 1000})
    assert kept.name(3) == "checkpoint_at_2.25e18_flops_or_750_hours_heard.pt"


def test_a_larger_budget_leaves_what_was_kept(tmp_path: Path) -> None:
    """24 updates in quarters, and then 48: those at 12 and 24 stand, and are not written again."""
    written = tmp_path / "checkpoint_last.pt"
    for budget, progress in ((24, (0.25, 0.5, 0.75, 1.0)), (48, (0.75, 1.0))):
        kept = KeptCheckpoints(4, {"updates": budget})
        kept.resume(0.5 if budget == 48 else 0.0)
        for share in progress:
            assert kept.pass_by(share)
            written.unlink(missing_ok=True)
            written.write_text(f"{share * budget:g}")
            kept.keep(written)
    names = {path.name: path.read_text() for path in tmp_path.glob("checkpoint_at_*")}
    assert names == {f"checkpoint_at_{updates}_updates.pt": str(updates) for updates in (6, 12, 18, 24, 36, 48)}


def test_what_stands_is_not_written_again(tmp_path: Path) -> None:
    kept, written = KeptCheckpoints(4, {"updates": 24}), tmp_path / "checkpoint_last.pt"
    (tmp_path / "checkpoint_at_6_updates.pt").write_text("first")
    written.write_text("second")
    kept.pass_by(0.26)
    kept.keep(written)
    assert (tmp_path / "checkpoint_at_6_updates.pt").read_text() == "first"


def test_a_name_that_was_still_to_give_is_given_after_a_kill(tmp_path: Path) -> None:
    """fairseq saved, and the run was killed before it gave the checkpoint its lasting name."""
    kept = KeptCheckpoints(4, {"updates": 24})
    kept.pass_by(0.26)
    again = KeptCheckpoints(4, {"updates": 24})
    again.load_state_dict(kept.state_dict())
    again.resume(0.26)
    written = tmp_path / "checkpoint_last.pt"
    written.write_text("6 updates")
    again.keep(written)
    assert (tmp_path / "checkpoint_at_6_updates.pt").read_text() == "6 updates"

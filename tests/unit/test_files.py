"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.files import atomic


def test_the_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with atomic(path) as partial:
        partial.write_text("new")
        assert not path.exists()
        assert partial.parent == path.parent
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(error), atomic(path) as partial:
        partial.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_error_of_a_place_that_is_no_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), atomic(tmp_path / "file" / "record.json") as partial:
        partial.write_text("new")

"""The notebook of a first run, cell by cell."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import check, run

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first_run.ipynb"
pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_every_cell_runs(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "cells.py").write_text(code)
    told = check(run([sys.executable, "cells.py"], tmp_path)).stdout
    found = re.search(r"(\d+)% of \d+ words; guessing: (\d+)%", told)
    assert found is not None and int(found[1]) > 1.5 * int(found[2]), told

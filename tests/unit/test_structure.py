"""How large a file or a function may get, and what import-linter's contracts in pyproject.toml can't tell."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import fairseq_budget

PACKAGE = Path(fairseq_budget.__file__).parent
ROOT = PACKAGE.parent
OURS = ("fairseq_budget", "s3prl_upstreams")
SOURCES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))


def modules(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_what_is_imported_inside_functions_exists() -> None:
    """Type checkers and imports of a module pass it by; a user would find it."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            for statement in (below for below in ast.walk(node) if isinstance(node, ast.FunctionDef)):
                if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith(OURS):
                    module = import_module(str(statement.module))
                    for name in (alias.name for alias in statement.names):
                        found = hasattr(module, name) or find_spec(f"{statement.module}.{name}") is not None
                        assert found, f"{path.name}:{statement.lineno} {name}"


def test_files_and_functions_are_short() -> None:
    lines = {modules(path): path.read_text().count("\n") for path in SOURCES}
    lengths = dict(function for path in SOURCES for function in functions(path))
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert {name: count for name, count in lengths.items() if count > 60} == {}
    assert median(lines.values()) < 150
    assert median(lengths.values()) < 12


def test_forward_passes_tell_their_shapes() -> None:
    rooms = ("kernels", "modules", "frontends", "objectives")
    for path in (path for room in rooms for path in (PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in ("forward", "extract", "encode_masked"):
                assert "Shape:" in (ast.get_docstring(node) or ""), f"{path.name}:{node.lineno} {node.name}"


def test_a_class_has_a_name_of_its_own() -> None:
    """One class of a name: whoever meets it in an error or a page finds it at once."""
    found = Counter(
        node.name for path in SOURCES for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in found.items() if count > 1] == []


def test_what_is_raised_is_told_in_one_format() -> None:
    for path in SOURCES:
        assert not re.search(r"\bRaises \w+Error\b", path.read_text()), f"{path}: `Raises:`, a line for each"


def test_no_leftovers_are_kept() -> None:
    """Of merges, patches and runs that were begun in the repository's folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    endings = (".orig", ".rej", ".bak", ".log", ".pyc", "progress.json", "record.json")
    assert [name for name in listed if name.endswith(endings) and not name.startswith("tests/assets/")] == []

"""The layers of the design: who may import whom, and how large a file or a function may get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import pytest

import fairseq_budget

PACKAGE = Path(fairseq_budget.__file__).parent
ROOT = PACKAGE.parent
SOURCES = sorted(path for name in ("fairseq_budget", "s3prl_upstreams") for path in (ROOT / name).rglob("*.py"))

# a module may import what stands in its own row or above it
LAYERS = (
    (
        "fairseq_budget.errors",
        "fairseq_budget.extras",
        "fairseq_budget.files",
        "fairseq_budget.fixes",
        "fairseq_budget.locks",
        "fairseq_budget.nesting",
        "fairseq_budget.sealed",
        "fairseq_budget.arithmetic",
        "fairseq_budget.published",
    ),
    ("fairseq_budget.data", "fairseq_budget.corpora", "fairseq_budget.synthetic"),
    (
        "fairseq_budget.kernels",
        "fairseq_budget.modules",
        "fairseq_budget.frontends",
        "fairseq_budget.objectives",
        "fairseq_budget.checkpoints",
    ),
    ("fairseq_budget.records", "fairseq_budget.recipes"),
    ("fairseq_budget.labels", "fairseq_budget.planning", "fairseq_budget.diagnostics", "fairseq_budget.asr"),
    ("fairseq_budget.plugin", "fairseq_budget.mistakes"),
    ("fairseq_budget.studies",),
    ("fairseq_budget.report",),
    ("fairseq_budget.bench",),
    ("fairseq_budget.hydra_plugins", "fairseq_budget.cli", "fairseq_budget.__main__"),
)
FIRST_FOREIGN = {"torch": 2, "fairseq": 5, "hydra": 5, "omegaconf": 5}
"""The first layer that may import a package."""
COMMANDS = {
    "fairseq_budget.cli.superb": "s3prl_upstreams.sweep",
    "fairseq_budget.cli.superb_plan": "s3prl_upstreams.sweep",
    "fairseq_budget.cli.cache": "s3prl_upstreams.store",
}
NEVER = {"fairseq_budget.report": {"torch", "fairseq", "hydra", "omegaconf", "fairseq_budget.plugin"}}
"""Pages are functions of records."""


def modules(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def layer(module: str) -> int | None:
    """Row of a module, or None for what isn't ours or is the package itself."""
    for row, names in enumerate(LAYERS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return row
    return None


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=modules)
def test_imports_go_one_way(path: Path) -> None:
    own = layer(modules(path))
    for name in imports(path):
        top = name.split(".")[0]
        if modules(path).startswith("s3prl_upstreams"):
            assert top != "fairseq", "the s3prl side works where fairseq isn't installed"
            assert (layer(name) or 0) <= 3, f"{name} is no layer for s3prl"
            continue
        if modules(path) in COMMANDS and name.startswith(COMMANDS[modules(path)]):
            continue  # inside functions: these are commands of s3prl's side
        assert top not in ("s3prl", "s3prl_upstreams"), f"{modules(path)} imports {name}"
        for room, packages in NEVER.items():
            if modules(path).startswith(room):
                assert not any(name == package or name.startswith(f"{package}.") for package in packages), name
        if own is not None:
            assert own >= FIRST_FOREIGN.get(top, 0), f"{modules(path)} imports {name}"
            assert (layer(name) or 0) <= own, f"{modules(path)} imports {name} from a lower layer"


def test_what_is_imported_inside_functions_exists() -> None:
    """Type checkers and imports of a module pass it by; a user would find it."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            for statement in (below for below in ast.walk(node) if isinstance(node, ast.FunctionDef)):
                if isinstance(statement, ast.ImportFrom) and layer(str(statement.module)) is not None:
                    module = import_module(str(statement.module))
                    for name in (alias.name for alias in statement.names):
                        found = hasattr(module, name) or find_spec(f"{statement.module}.{name}") is not None
                        assert found, f"{path.name}:{statement.lineno} {name}"


def test_every_module_has_a_layer() -> None:
    ours = [modules(path) for path in SOURCES if path.is_relative_to(PACKAGE)]
    assert [name for name in ours if layer(name) is None and name != "fairseq_budget"] == []


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

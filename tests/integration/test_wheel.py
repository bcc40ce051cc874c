"""A wheel in an environment without the checkout: it trains, evaluates and finds its recipes.

The environment has its own fairseq-budget and sees the packages of the one that runs the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from fairseq_budget.arithmetic.sizes import SIZES
from tests.integration.conftest import BIN, check

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SOURCES = ("fairseq_budget", "s3prl_upstreams", "recipes", "setup.py", "pyproject.toml", "README.md", "LICENSE")

FEATURES = """
import sys
from s3prl.nn import S3PRLUpstream
print(S3PRLUpstream("budget_30", path_or_url=sys.argv[1]).num_layers)
"""


class Installed:
    """The environment: runs its commands in an empty folder, with nothing of the checkout on the path."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.work = folder / "env" / "bin", folder / "work"
        self.work.mkdir()

    def run(self, *command: str | Path) -> str:
        """Standard output of a command that has to work."""
        env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        return check(subprocess.run(command, cwd=self.work, env=env, capture_output=True, text=True, timeout=600)).stdout

    def python(self, *arguments: str | Path) -> str:
        return self.run(self.bin / "python", *arguments)


PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def copy_of_the_checkout(folder: Path) -> Path:
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    return source


def environment(folder: Path) -> Path:
    """An environment's site-packages, with those of the one that runs the tests behind them."""
    venv.create(folder / "env", symlinks=True)
    [site] = (folder / "env").glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return site


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_checkout(folder)
    check(_call([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]))
    shutil.rmtree(source)
    environment(folder)
    [wheel] = folder.glob("*.whl")
    check(_call([*PIP, "--python", str(folder / "env"), "install", "--no-deps", "--no-index", str(wheel)]))
    return Installed(folder)


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_the_recipes_come_from_the_wheel(installed: Installed) -> None:
    for package in ("fairseq_budget", "s3prl_upstreams"):
        path = Path(installed.python("-c", f"import {package}; print({package}.__file__)").strip())
        assert path.is_relative_to(installed.bin.parent) and (path.parent / "py.typed").is_file()
    recipes = Path(installed.run("fairseq-budget", "recipes").strip())
    assert recipes.is_relative_to(installed.bin.parent)
    wanted = {path.relative_to(ROOT / "recipes") for path in (ROOT / "recipes").rglob("*.yaml")}
    assert {path.relative_to(recipes) for path in recipes.rglob("*.yaml")} == wanted


def test_it_plans(installed: Installed) -> None:
    assert "slim" in installed.run("fairseq-budget", "plan", "--objective", "best_rq", "--sizes", "30,slim", "--json")


def test_it_trains_and_the_checkpoint_is_an_upstream(installed: Installed, corpus: Path) -> None:
    recipes = installed.run("fairseq-budget", "recipes").strip()
    folder = installed.work / "hubert-30"
    small = ["task.max_sample_size=16000", "task.min_sample_size=16000", "dataset.max_tokens=32000", "dataset.num_workers=1"]
    overrides = ["size=30", "budget=custom", "task.budget.updates=2", "data=folder", f"task.data={corpus / 'data'}", *small]
    recipe = ["--config-dir", recipes, "--config-name", "hubert", f"hydra.run.dir={folder}", "device=cpu"]
    installed.python(BIN / "fairseq-hydra-train", *recipe, *overrides)
    checkpoint = folder / "checkpoints" / "checkpoint_last.pt"
    states = int(installed.python("-c", FEATURES, checkpoint).split()[-1])
    assert states == SIZES["30"].encoder_layers + 1, "the layers, and what goes into the first"


def test_an_editable_installation_prepares_s3prl_until_it_is_removed(tmp_path: Path) -> None:
    source, site = copy_of_the_checkout(tmp_path), environment(tmp_path)
    pip = [*PIP, "--python", str(tmp_path / "env")]
    check(_call([*pip, "install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", str(source)]))
    own = Installed(tmp_path)
    where = "import s3prl.hub, s3prl_upstreams; print(hasattr(s3prl.hub, 'budget_30'), s3prl_upstreams.__file__)"
    assert own.python("-c", where).split() == ["True", str(source / "s3prl_upstreams" / "__init__.py")]
    check(_call([*pip, "uninstall", "--yes", "fairseq-budget"]))
    assert not [path for path in site.rglob("*") if "fairseq_budget" in path.name]

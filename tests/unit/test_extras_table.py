"""The extra that an error message names is one of setup.py's, and brings the module that is missing."""

from __future__ import annotations

import runpy
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fairseq_budget.extras import EXTRAS, install

SETUP = Path(__file__).parents[2] / "setup.py"
FOUND_BY_HYDRA = {"hydra-joblib-launcher", "hydra-submitit-launcher"}


@pytest.fixture(scope="module")
def extras() -> dict[str, set[str]]:
    """The packages of each extra, by their names on the index."""
    given: dict[str, dict[str, list[str]]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
        runpy.run_path(str(SETUP))
    lines = given["extras_require"]
    return {extra: {canonicalize_name(Requirement(line).name) for line in lines[extra]} for extra in lines}


@pytest.fixture(scope="module")
def packages() -> dict[str, set[str]]:
    """The packages that bring a module, of those that are installed."""
    return {module: {canonicalize_name(name) for name in names} for module, names in packages_distributions().items()}


def needs(package: str) -> set[str]:
    """What a package itself asks for; nothing of one that isn't installed."""
    try:
        return {canonicalize_name(Requirement(line).name) for line in requires(package) or () if "extra ==" not in line}
    except PackageNotFoundError:
        return set()


@pytest.mark.parametrize("module", EXTRAS)
def test_the_extra_brings_the_module(module: str, extras: dict[str, set[str]], packages: dict[str, set[str]]) -> None:
    if module not in packages:
        pytest.skip(f"{module} isn't installed")
    asked_for = extras[EXTRAS[module]]
    with_theirs = asked_for | {package for name in asked_for for package in needs(name)}
    assert packages[module] & with_theirs, f"{install(module)} brings no module {module}"


def test_every_package_of_an_extra_is_in_the_table(extras: dict[str, set[str]], packages: dict[str, set[str]]) -> None:
    known = {package for module in EXTRAS for package in packages.get(module, ())}
    installed = {package for names in packages.values() for package in names}
    asked_for = {package for extra in extras.keys() - {"all", "test", "docs"} for package in extras[extra]}
    assert (asked_for & installed) - known == FOUND_BY_HYDRA & installed


def test_all_is_all_but_what_not_every_machine_can_have(extras: dict[str, set[str]]) -> None:
    single = {package for extra in extras.keys() - {"all", "test", "abx", "docs"} for package in extras[extra]}
    assert extras["all"] == single and extras["test"] > single

"""Python and the installed packages: what each extra asks for, and what was tested together."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM, Check, listed

OLDEST, NEWEST = (3, 11), (3, 13)
"""Versions of Python that the tests run on; setup.py has them, too."""
DISTRIBUTION = "fairseq-budget"
CORE = "core"
EXTRAS = {
    CORE: "planning, corpora, labels",
    "train": "pre-training",
    "superb": "SUPERB",
    "report": "reports and tables",
    "export": "`export --to hf`",
    "textgrid": "phones out of TextGrids",
    "bench": "`bench`",
}
"""What each extra of the installation is for."""
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")


def python() -> Check:
    """Whether this Python is one that the project knows."""
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return Check("Python", OK, found)
    wanted = " to ".join(".".join(map(str, numbers)) for numbers in (OLDEST, NEWEST))
    remedy = f"install Python {wanted}, remove .venv, and give it as PYTHON=/path/to/python ./run.sh --stop-stage 0"
    return Check("Python", PROBLEM, found, remedy)


def extras() -> Iterator[Check]:
    """A check for each extra: are its packages there, in versions that it accepts?"""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        yield Check("installation", PROBLEM, f"{DISTRIBUTION} itself isn't installed", "pip install -e '.[all]'")
        return
    for extra, purpose in EXTRAS.items():
        yield _extra(extra, purpose, [Requirement(line) for line in lines])


def _extra(extra: str, purpose: str, requirements: list[Requirement]) -> Check:
    wanted = [one for one in requirements if _belongs(one, extra)]
    found = {one.name: installed(one.name) for one in wanted}
    missing = [name for name, number in found.items() if number is None]
    other = [
        f"{one.name} {found[one.name]} (needed: {one.specifier})"
        for one in wanted
        if found[one.name] is not None and not one.specifier.contains(str(found[one.name]), prereleases=True)
    ]
    subject = f"packages, {extra}"
    told = "; ".join([*([listed(other)] if other else []), *([f"no {listed(missing)}"] if missing else [])])
    target = DISTRIBUTION if extra == CORE else f"{DISTRIBUTION}[{extra}]"
    if not told:
        return Check(subject, OK, f"{len(wanted)} as needed for {purpose}")
    state = PROBLEM if other or extra == CORE else NOTE
    return Check(subject, state, f"{told}; needed for {purpose}", f"pip install '{target}'", {"missing": missing})


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether an installation with this extra alone asks for it, and one without any doesn't."""
    if requirement.marker is None:
        return extra == CORE
    return extra != CORE and requirement.marker.evaluate({"extra": extra}) and not requirement.marker.evaluate({"extra": ""})


def versions(root: Path) -> Check:
    """Installed versions beside those that were tested together; `root` is the checkout's folder."""
    file = root / "constraints.txt"
    if not file.is_file():
        return Check("versions", NOTE, "no constraints.txt beside the package to compare with", "install from a checkout")
    pins = read_pins(file)
    there = {name: number for name in pins if (number := installed(name)) is not None}
    other = [f"{name} {there[name]} (tested: {pins[name]})" for name in there if _public(there[name]) != _public(pins[name])]
    details = {"file": str(file), "others": {name: [there[name], pins[name]] for name in map(_first_word, other)}}
    if not other:
        return Check("versions", OK, f"{len(there)} packages as in {file.name}", details=details)
    return Check("versions", NOTE, listed(other), f"pip install -c {file} -e '.[all]'", details)


def read_pins(file: Path) -> dict[str, str]:
    """Version by package; lines that pin nothing (remarks, hashes) count for nothing."""
    found = map(_PIN.match, file.read_text(encoding="utf-8").splitlines())
    return {str(canonicalize_name(pin[1])): pin[2] for pin in found if pin}


def installed(package: str) -> str | None:
    """The version of a package, by its name on the index; None if it isn't there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _public(number: str) -> str:
    """Without what a build adds: 2.13.0 of 2.13.0+cpu."""
    return number.partition("+")[0]


def _first_word(text: str) -> str:
    return text.partition(" ")[0]

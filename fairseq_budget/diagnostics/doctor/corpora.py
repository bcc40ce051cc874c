"""Corpora and manifests, where environment variables say that they lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fairseq_budget.corpora.superb.places import BASE, PLACES, expand, remedy
from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM, Check, listed

_DATA = re.compile(r"^ *data: \$\{oc\.env:(\w+),\$\{hydra:runtime\.cwd\}/([^}]*)\}/(\S+)$", re.MULTILINE)
"""A data set's folder in a recipe: variable, its default where the command is started, and the name below."""


def superb(environment: Mapping[str, str]) -> Iterator[Check]:
    """A check for each corpus of SUPERB."""
    base = environment.get(BASE)
    if base and not Path(base).is_dir():
        yield Check(f"${BASE}", PROBLEM, f"{base} is no folder", "correct it, or make it: fairseq-budget corpus mini-superb")
    for variable in PLACES:
        yield _corpus(variable, environment)


def _corpus(variable: str, environment: Mapping[str, str]) -> Check:
    folder = expand(f"${variable}", environment)
    if Path(folder).is_dir():
        return Check(f"${variable}", OK, folder)
    if variable in environment:
        return Check(f"${variable}", PROBLEM, f"`{folder}` is no folder", f"set {variable} to the folder, or unset it")
    told = f"not set, and no {folder}" if environment.get(BASE) else "not set"
    return Check(f"${variable}", NOTE, told, remedy(f"${variable}", ""))


def manifests(recipes: Path, here: Path, environment: Mapping[str, str]) -> Iterator[Check]:
    """A check for each variable that recipes of data sets name; `recipes` is their folder, `here` where one would train."""
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for path in sorted((recipes / "data").glob("*.yaml")):
        for variable, default, name in _DATA.findall(path.read_text(encoding="utf-8")):
            wanted.setdefault((variable, default), {})[name] = None  # some recipes share their manifests
    for (variable, default), names in wanted.items():
        yield _manifests(variable, Path(environment.get(variable) or here / default), list(names), variable in environment)


def _manifests(variable: str, folder: Path, names: list[str], is_set: bool) -> Check:
    found = [name for name in names if all((folder / name / f"{split}.tsv").is_file() for split in ("train", "valid"))]
    moved = [f"{name} ({audio})" for name in found if not os.path.isdir(audio := _audio_folder(folder / name))]
    details = {"folder": str(folder), "found": found}
    where = f"in {folder}" + ("" if is_set else f" ({variable} isn't set)")
    if is_set and not folder.is_dir():
        return Check(f"${variable}", PROBLEM, f"`{folder}` is no folder", f"set {variable} to the folder of the manifests")
    if moved:
        told = f"{where}, audio that isn't where it was: {listed(moved)}"
        return Check(f"${variable}", PROBLEM, told, "make the manifests again: fairseq-budget corpus librispeech", details)
    if found:
        return Check(f"${variable}", OK, f"{listed(found)} {where}", details=details)
    make = "fairseq-budget corpus librispeech /path/to/LibriSpeech; or train with `data=folder task.data=...`"
    return Check(f"${variable}", NOTE, f"none of {listed(names)} {where}", make, details)


def _audio_folder(manifest_folder: Path) -> str:
    """The folder that a manifest's first line names."""
    with (manifest_folder / "train.tsv").open(encoding="utf-8") as file:
        return file.readline().strip()

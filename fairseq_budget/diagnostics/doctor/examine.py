"""Everything that is looked at, in order."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fairseq_budget.diagnostics.doctor import corpora, machine, packages
from fairseq_budget.diagnostics.doctor.check import PROBLEM, Check
from fairseq_budget.diagnostics.doctor.hosts import HOSTS, look_at_host
from fairseq_budget.errors import BudgetError
from fairseq_budget.recipes import recipes_dir

ROOT = Path(__file__).parents[3]
"""The checkout, where this is one."""


def examine(folder: Path) -> list[Check]:
    """Look at the installation, the machine and the corpora, as a command that is started in `folder` would find them."""
    with ThreadPoolExecutor() as side_by_side:
        torch = side_by_side.submit(machine.look_at_torch)
        hosts = [side_by_side.submit(look_at_host, host) for host in HOSTS]
        espeak = side_by_side.submit(machine.look_at_espeak)
    return [
        packages.python(),
        *packages.extras(),
        packages.versions(ROOT),
        *torch.result(),
        *(host.result() for host in hosts),
        machine.memory(),
        machine.disk(folder),
        *machine.shared_memory(),
        machine.compiler(),
        espeak.result(),
        *_corpora(folder),
    ]


def _corpora(folder: Path) -> list[Check]:
    try:
        recipes = recipes_dir()
    except BudgetError as error:
        return [Check("recipes", PROBLEM, str(error))]
    return [*corpora.manifests(recipes, folder, os.environ), *corpora.superb(os.environ)]

"""What fairseq knows after a plain import, after --user-dir, and what it doesn't import otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fairseq_budget
from fairseq_budget.objectives import OBJECTIVES
from tests.warm_start import TORCH, warm

USER_DIR = Path(fairseq_budget.__file__).parent

NAMES = """
from fairseq.criterions import CRITERION_REGISTRY
from fairseq.models import MODEL_REGISTRY
from fairseq.optim.lr_scheduler import LR_SCHEDULER_REGISTRY
from fairseq.tasks import TASK_REGISTRY
for registry in (MODEL_REGISTRY, TASK_REGISTRY, CRITERION_REGISTRY, LR_SCHEDULER_REGISTRY):
    for name, owner in sorted(registry.items()):
        if name.startswith("budget_"):
            print(name, owner.__module__)
"""

EXPECTED = {
    *(f"budget_{objective} fairseq_budget.plugin.objectives" for objective in OBJECTIVES),
    *(f"budget_{objective}_pretraining fairseq_budget.plugin.objectives" for objective in OBJECTIVES),
    "budget_ctc fairseq_budget.plugin.objectives",
    "budget_ctc_finetuning fairseq_budget.plugin.finetuning.task",
    "budget_pretraining fairseq_budget.plugin.criterion",
    "budget_polynomial fairseq_budget.plugin.lr_schedulers",
    "budget_triangular fairseq_budget.plugin.lr_schedulers",
    "budget_tri_stage fairseq_budget.plugin.lr_schedulers",
    "budget_cooldown fairseq_budget.plugin.lr_schedulers",
}


def run(code: str) -> str:
    """What a process prints that has neither fairseq nor this project when it begins."""
    answer = warm(TORCH).run([sys.executable, "-c", code])
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.integration
@pytest.mark.parametrize(
    "prologue",
    [
        "import fairseq, fairseq_budget",
        pytest.param("import fairseq_budget.plugin", marks=pytest.mark.slow),
        "from argparse import Namespace; from fairseq import utils;"
        f" utils.import_user_module(Namespace(user_dir={str(USER_DIR)!r}))",
    ],
    ids=["after_fairseq", "by_itself", "user_dir"],
)
def test_the_same_names_are_registered(prologue: str) -> None:
    assert {line for line in run(prologue + NAMES).splitlines() if line.startswith("budget_")} == EXPECTED


def test_the_arithmetic_imports_neither_torch_nor_fairseq() -> None:
    code = (
        "import sys, fairseq_budget.recipes, fairseq_budget.arithmetic.flops; print({'torch', 'fairseq'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert answer.stdout.strip() == "set()"

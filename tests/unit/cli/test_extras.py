"""Who only plans or evaluates installs neither fairseq nor deepspeed; what a command lacks is said in a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

SMALL = ("--hours", "0.002", "--dev-hours", "0.002", "--speakers", "2", "--keyword-speakers", "5")

WITHOUT_EXTRAS = """
import sys
from importlib.abc import MetaPathFinder

ABSENT = {
    "fairseq", "deepspeed", "hydra", "omegaconf", "s3prl", "torchaudio", "transformers", "matplotlib", "pandas", "jinja2",
    "tensorboardX", "pyannote", "h5py", "catalyst", "librosa", "sentencepiece",
}

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from fairseq_budget.cli import main
main()
"""


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("objectives",),
        ("recipes",),
        ("plan", "--objective", "best_rq", "--sizes", "30,slim"),
        ("corpus", "synthetic", "speech", *SMALL),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_of_the_core(arguments: tuple[str, ...], tmp_path: Path) -> None:
    answer = call(*arguments, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "pretrain").mkdir()
    answer = call("report", str(tmp_path), cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.strip() in {
        f"error: this command needs the package {module}: pip install 'fairseq-budget[report]'"
        for module in ("pandas", "matplotlib", "jinja2")
    }


def test_an_upstream_needs_no_fairseq(tmp_path: Path) -> None:
    """A model is read from a checkpoint and computes features without any of the extras."""
    code = (
        WITHOUT_EXTRAS.partition("from fairseq_budget.cli")[0]
        + """
import torch
from fairseq_budget.objectives import build_model, model_config
config = model_config("best_rq", {"encoder_layers": 1, "encoder_embed_dim": 32, "encoder_attention_heads": 2})
model = build_model("best_rq", config)
torch.save({"model": model.state_dict(), "cfg": {"model": {**vars(config), "_name": "budget_best_rq"}}}, "c.pt")
from s3prl_upstreams.upstreams.hubconf import budget_local
print(budget_local("c.pt")([torch.randn(16000)])["last_hidden_state"].shape)
"""
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert answer.stdout.strip() == "torch.Size([1, 49, 32])", answer.stderr

"""torch.compile as an option: the same numbers and names, one compilation for all lengths, a clear refusal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.compiled import compile_layers
from fairseq_budget.objectives import build_model
from tests.common import assert_close, tiny_config, waves

FIXED = dict.fromkeys(("dropout", "attention_dropout", "dropout_input", "encoder_layerdrop"), 0.0)


def loss_of(model: torch.nn.Module, batch: int, samples: int) -> Tensor:
    """Shape: -> ()"""
    frames = model.model_shape.frames(samples)
    mask = torch.zeros(batch, frames, dtype=torch.bool)
    mask[:, 5:25] = True
    return model(waves(batch, samples), mask=mask).total


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BudgetError, match=r"`model.compile` needs a C\+\+ compiler, but none of g\+\+, clang\+\+, c\+\+"):
        compile_layers(build_model("tera", tiny_config("tera")))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's compiler looks at it itself
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_one_compilation_serves_all_lengths(dropout: float) -> None:
    torch.manual_seed(0)
    plain = build_model("tera", tiny_config("tera", **{**FIXED, "dropout": dropout, "attention_dropout": dropout}))
    compiled = build_model("tera", plain.config)
    compiled.load_state_dict(plain.state_dict())
    compile_layers(compiled)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    torch._dynamo.utils.counters.clear()
    graphs = []
    for batch, samples in ((2, 20_000), (2, 24_000), (3, 30_000), (4, 17_777)):
        loss = loss_of(compiled, batch, samples)
        loss.backward()
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        if dropout == 0:
            reference = loss_of(plain, batch, samples)
            assert_close(loss, reference)
            reference.backward()
    assert graphs[-1] == graphs[0] <= 2
    if dropout == 0:
        expected = {name: parameter.grad for name, parameter in plain.named_parameters()}
        for name, parameter in compiled.named_parameters():
            # it cancels out of the softmax: its gradient is rounding
            if not name.endswith("k_proj.bias"):
                assert_close(parameter.grad, expected[name], 1e-4)

"""What activation checkpointing computes again, and that freed memory is kept."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from fairseq_budget.arithmetic.flops import hardware_flops
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives import OBJECTIVES, build_model
from tests.common import assert_close, tiny_config, waves

SAMPLES = 20_000


def built(objective: str, **settings: object) -> SpeechEncoder:
    torch.manual_seed(0)
    return build_model(objective, tiny_config(objective, **{"encoder_layers": 4, "encoder_layerdrop": 0.0, **settings}))


def loss_of(model: SpeechEncoder, seed: int = 1) -> torch.Tensor:
    """In training, with dropout.  Shape: -> ()"""
    torch.manual_seed(seed)
    labels = {"target": torch.randint(24, (2, 62))} if model.config.objective == "hubert" else {}
    return model(waves(2, SAMPLES), **labels).total


def gradients(model: nn.Module, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_checkpointing_changes_no_number(objective: str, norm_first: bool) -> None:
    """What dropout dropped, it drops again."""
    plain, saving = (built(objective, layer_norm_first=norm_first, checkpoint_activations=on) for on in (False, True))
    losses = [loss_of(model) for model in (plain, saving)]
    assert torch.equal(*losses)
    for ours, reference in zip(gradients(saving, losses[1]), gradients(plain, losses[0]), strict=True):
        assert (ours is None) == (reference is None)
        if ours is not None:
            assert_close(ours, reference, 1e-6)


def test_checkpointing_composes_with_layerdrop() -> None:
    plain, saving = (built("tera", encoder_layerdrop=0.5, checkpoint_activations=on) for on in (False, True))
    losses = [loss_of(model, seed=4) for model in (plain, saving)]
    assert plain.encoder.layers_run == saving.encoder.layers_run < 4
    assert torch.equal(*losses)


def saved_bytes(model: SpeechEncoder) -> int:
    """What a forward pass keeps for the backward pass, parameters aside; each storage once."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss_of(model)
    return sum(kept.values())


def test_checkpointing_keeps_less() -> None:
    """Of each layer nothing but its input is kept."""
    narrow = "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2"
    plain, saving = (
        saved_bytes(built("tera", encoder_layers=12, conv_feature_layers=narrow, checkpoint_activations=on))
        for on in (False, True)
    )
    assert saving < 0.4 * plain


def test_what_is_computed_again_is_told() -> None:
    """The components that the ledger counts four times are those that torch's counter sees a second time."""
    from torch.utils.flop_counter import FlopCounterMode

    seen = {}
    for on in (False, True):
        model = built("tera", checkpoint_activations=on)
        with FlopCounterMode(display=False) as counter:
            loss_of(model).backward()
        seen[on] = counter.get_total_flops(), hardware_flops(model.model_shape, [SAMPLES] * 2, 4, model.recomputed)
    assert model.recomputed == {"linear", "attention"}
    more, expected = (after - before for before, after in zip(*seen.values(), strict=True))
    assert more == pytest.approx(expected, rel=1e-3)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_used_again() -> None:
    """Before, the system hands out cleared pages each time; after, none."""
    script = """
import resource, torch
from fairseq_budget.kernels.memory import keep_freed_memory
def faults():
    torch.ones(16 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(8 << 20)  # fits into what was freed, wherever that lies
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
usual, told = faults(), keep_freed_memory()
print(usual, faults(), told)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    usual, kept, told = result.stdout.split()
    if told == "False":
        pytest.skip("this C library has no mallopt")
    assert int(usual) > 1000
    assert int(kept) < 100

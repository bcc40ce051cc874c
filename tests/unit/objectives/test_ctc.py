"""CTC: its loss by an independent sum over paths, what is frozen when, and what that costs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fairseq_budget.arithmetic.flops import forward_flops, hardware_flops, training_flops
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import OBJECTIVES, build_model, get_objective
from fairseq_budget.objectives.ctc.cost import frozen_shape
from fairseq_budget.objectives.ctc.model import BLANK, Ctc, best_path

UNITS = 6


def model(frontend: str = "mel", **settings: object) -> Ctc:
    objective = get_objective("ctc")
    torch.manual_seed(0)
    chosen = {**objective.settings(SIZES["0.5"]), "frontend": frontend, "units": UNITS, "feature_grad_mult": 1.0, **settings}
    built = build_model("ctc", objective.model_config(chosen))
    assert isinstance(built, Ctc)
    return built


def all_paths(logs: torch.Tensor, wanted: list[int]) -> float:
    """Minus the log of the summed probability of every path that spells the units: the definition (Graves et al. 2006)."""
    frames, units = logs.shape
    total = 0.0
    for path in itertools.product(range(units), repeat=frames):
        spelled = [unit for unit, _ in itertools.groupby(path) if unit != BLANK]
        if spelled == wanted:
            total += math.exp(sum(float(logs[frame, unit]) for frame, unit in enumerate(path)))
    return -math.log(total)


def test_loss_is_the_mean_over_utterances_of_the_loss_of_a_unit() -> None:
    network = model(dropout=0.0, dropout_input=0.0, attention_dropout=0.0, mask_prob=0.0).eval()
    # 1,680 samples are 5 frames of the mel front end
    source = torch.randn(2, 1840)
    target, counts = torch.tensor([[4, 4, 5], [5, 1, 1]]), np.array([3, 1])
    with torch.no_grad():
        logs, frames = network.log_probabilities(source)
    assert frames == [5, 5]
    expected = all_paths(logs[0], [4, 4, 5]) / 3 + all_paths(logs[1], [5]) / 1
    loss = network(source, target, counts)
    total = float(loss.total.detach())
    assert total == pytest.approx(expected, rel=1e-5)
    assert loss.frames == 2
    # torch's own mean divides by units and utterances, too: what paper C minimised
    mean = F.ctc_loss(logs.transpose(0, 1), target, torch.tensor(frames), torch.tensor(counts), zero_infinity=True)
    assert total / 2 == pytest.approx(float(mean), rel=1e-5)


def test_a_transcript_that_is_too_long_for_its_frames_has_no_loss() -> None:
    loss = model()(torch.randn(1, 1840), torch.full((1, 9), 4), np.array([9]))
    loss.total.backward()
    assert float(loss.total.detach()) == 0


def test_error_rate_of_units() -> None:
    logs = torch.full((1, 7, UNITS), -9.0)
    for frame, unit in enumerate((4, 4, BLANK, 4, 5, 5, BLANK)):
        logs[0, frame, unit] = 0.0
    assert best_path(logs, [7]) == [[4, 4, 5]]
    assert best_path(logs, [4]) == [[4, 4]]
    errors, units = Ctc._errors(logs, [7], torch.tensor([[4, 5, 5, 1]]), np.array([3]))
    assert (float(errors), float(units)) == (1, 3)  # 4 4 5 for 4 5 5


def test_padding_changes_nothing() -> None:
    network, long, short = model("conv").eval(), torch.randn(1, 16000), torch.randn(1, 9000)
    both = torch.cat([long, F.pad(short, (0, 7000))])
    together, frames = network.log_probabilities(both, np.array([16000, 9000]))
    alone, _ = network.log_probabilities(short)
    torch.testing.assert_close(together[1:, : frames[1]], alone, atol=1e-4, rtol=1e-4)


HEAD, HEAD_AND_ENCODER = {"proj"}, {"proj", "encoder", "mask_emb"}


@pytest.mark.parametrize("train_frontend", [False, True])
@pytest.mark.parametrize("frontend", ["conv", "mel"])
@pytest.mark.parametrize(("updates", "trained"), [(0, HEAD), (99, HEAD), (100, HEAD_AND_ENCODER)])
def test_phases(frontend: str, updates: int, trained: set[str], train_frontend: bool) -> None:
    """Frozen: the encoder for 100 updates, the front end and its projection as long, or always; from scratch nothing."""
    settings = {"freeze_updates": 100, "train_frontend": train_frontend, "mask_prob": 0.5}
    network = model(frontend, checkpoint="some.pt", **settings).train()
    network.set_num_updates(updates)
    network(torch.randn(2, 16000), torch.full((2, 3), 4), np.array([3, 3])).total.backward()
    touched = {name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    every = {name.partition(".")[0] for name, _ in network.named_parameters()}
    assert touched == (every if train_frontend and updates == 100 else trained)


def test_from_scratch_nothing_is_frozen() -> None:
    network = model("conv", freeze_updates=100, mask_prob=0.5).train()
    network(torch.randn(2, 16000), torch.full((2, 3), 4), np.array([3, 3])).total.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.config.phases() == [(None, network.model_shape)]


def test_what_is_frozen_runs_forward_once() -> None:
    shape = get_objective("ctc").shape(SIZES["slim"])
    parts = forward_flops(shape, 160_000)
    whole, head = sum(parts.values()), parts["head"]
    assert head == 2 * shape.frames(160_000) * shape.dim * shape.head.labels
    assert training_flops(shape, [160_000]) == 3 * whole
    frozen = frozen_shape(shape, True, True)
    assert training_flops(frozen, [160_000]) == whole + 2 * head
    # the head's input needs no gradient
    assert hardware_flops(frozen, [160_000], shape.layers) == whole + head
    later = frozen_shape(shape, True, False)
    still = parts["convolutions"] + parts["projection"]
    assert training_flops(later, [160_000]) == hardware_flops(later, [160_000], shape.layers) == 3 * whole - 2 * still
    # what isn't computed backward isn't computed again
    assert hardware_flops(frozen, [160_000], shape.layers, {"linear", "attention"}) == whole + head


@pytest.mark.parametrize("frontend", ["conv", "mel"])
def test_parameters_are_counted(frontend: str) -> None:
    network = model(frontend)
    assert count_parameters(network.model_shape) == sum(p.numel() for p in network.parameters())


def test_it_is_no_objective_of_pre_training() -> None:
    assert "ctc" not in OBJECTIVES

"""What an evaluation costs: shares, the upstream's closed form, and heads against torch's own counter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.arithmetic.flops import forward_flops
from s3prl_upstreams.host import compat
from s3prl_upstreams.sweep.spent import TrialSpent, charge, count_head, total, upstream_flops
from s3prl_upstreams.upstreams.expert import UpstreamExpert


@pytest.mark.parametrize("trials", [1, 3, 5])
def test_shares_add_up_to_the_pass(trials: int) -> None:
    amounts = [TrialSpent() for _ in range(trials)]
    for flops in (1000, 1001, 7):
        charge(amounts, flops, 0.5)
    whole = total(amounts)
    assert whole.upstream_flops == 2008 and whole.device_seconds == pytest.approx(1.5)
    assert max(a.upstream_flops or 0 for a in amounts) - min(a.upstream_flops or 0 for a in amounts) < 3 * trials


def test_what_is_unknown_stays_unknown() -> None:
    amounts = [TrialSpent(), TrialSpent()]
    charge(amounts, 10, 0.0)
    charge(amounts, None, 0.0)
    charge(amounts, 10, 0.0)
    assert [amount.upstream_flops for amount in amounts] == [None, None]
    assert (amounts[0] + TrialSpent(3)).upstream_flops is None and total([]).upstream_flops == 0


def test_the_upstream_is_charged_without_its_objectives_head(tiny: Path) -> None:
    upstream = UpstreamExpert(str(tiny))
    parts = [forward_flops(upstream.model.model_shape, samples) for samples in (16000, 8000)]
    assert parts[0]["head"] > 0
    assert upstream_flops(upstream, (16000, 8000)) == sum(sum(part.values()) - part["head"] for part in parts)


def test_fbank_has_no_matrix_products_and_of_others_nothing_is_known() -> None:
    compat.apply()
    from s3prl.upstream.baseline.hubconf import fbank

    assert upstream_flops(fbank(), (16000,)) == 0
    assert upstream_flops(nn.Linear(2, 2), (16000,)) is None


class Recurrent(nn.Module):
    """As ASR's head: packed, in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed, _ = self.rnn(pack_padded_sequence(x, [7, 4], batch_first=True))
        return self.linear(packed.data)


@pytest.mark.parametrize("head", [nn.Linear(6, 3), Recurrent()], ids=["linear", "recurrent"])
def test_heads_cost_what_torch_counts(head: nn.Module) -> None:
    spent, x = TrialSpent(), torch.randn(2, 7, 6)
    count_head(head, spent)
    with FlopCounterMode(display=False) as counter:
        head.eval()(x)
    assert spent.head_flops == counter.get_total_flops() > 0


def test_the_speaker_loss_costs_its_product() -> None:
    compat.apply()
    from s3prl.downstream.sv_voxceleb1.model import AMSoftmaxLoss

    spent, loss = TrialSpent(), AMSoftmaxLoss(6, 4)
    count_head(loss.eval(), spent)
    with FlopCounterMode(display=False) as counter:
        loss(torch.randn(2, 6), torch.tensor([0, 3]))
    assert spent.head_flops == counter.get_total_flops() == 2 * 2 * 6 * 4


def test_learning_costs_three_forward_passes() -> None:
    spent, head = TrialSpent(), nn.Linear(6, 3)
    count_head(head, spent)
    head.eval()(torch.randn(1, 6))
    assert spent.head_flops == 36
    head.train()(torch.randn(1, 6))
    assert spent.head_flops == 36 + 3 * 36

"""LSTMs in bf16: nearly the numbers of fp32, in fp32, with the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from s3prl_upstreams.sweep import protocol, rows
from s3prl_upstreams.sweep.heads import load_checkpoint
from s3prl_upstreams.sweep.lstm import HalfLSTM, halve
from s3prl_upstreams.sweep.settings import SweepSettings
from tests.unit.s3prl_upstreams.sweep.conftest import silent


def as_it_is(batch: Tensor) -> Tensor:
    return batch


def packed(batch: Tensor) -> PackedSequence:
    return pack_padded_sequence(batch, [9, 5], batch_first=True)


@pytest.mark.parametrize("given", [as_it_is, packed])
def test_nearly_the_numbers_of_fp32(given: Callable[[Tensor], Tensor | PackedSequence]) -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.LSTM(16, 32, 2, bidirectional=True, batch_first=True))
    half, batch = deepcopy(head), torch.randn(2, 9, 16)
    halve(half)
    assert isinstance(half[0], HalfLSTM) and half.state_dict().keys() == head.state_dict().keys()
    outputs = []
    for module in (head, half):
        found, last = module(given(batch))
        values = found.data if isinstance(found, PackedSequence) else found
        (values.square().sum() + last[0].sum()).backward()
        outputs.append(values)
    assert outputs[1].dtype == last[1].dtype == torch.float32
    assert not torch.equal(*outputs)
    torch.testing.assert_close(*outputs, atol=0.01, rtol=0.02)
    for one, two in zip(head.parameters(), half.parameters(), strict=True):
        assert one.grad is not None and two.grad is not None and two.dtype == torch.float32
        torch.testing.assert_close(one.grad, two.grad, atol=0.02 * float(one.grad.abs().max()), rtol=0.05)


def test_a_sweep_says_so_and_learns_nearly_the_same(plan: Callable[..., SweepSettings]) -> None:
    ends, head_flops = [], set()
    for precision in ("fp32", "bf16"):
        settings = plan("asr", precision, rates=(1e-3,), lstm_precision=precision)
        protocol.sweep_task(settings, silent)
        ends.append(load_checkpoint(settings.trial_folder(1e-3) / "states-6.ckpt")["Downstream"])
        row = rows.read(settings)
        assert row is not None and row["error"] is None
        head_flops.add(row["spent"]["head_flops"])
        assert row["sweep"]["changed"].get("lstm_precision", "fp32") == precision
    assert len(head_flops) == 1
    assert any(not torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    for name, value in ends[0].items():  # Adam moves every weight by up to 1e-3 in each of six steps
        torch.testing.assert_close(value, ends[1][name], atol=6e-3, rtol=0)

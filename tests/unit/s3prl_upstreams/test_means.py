"""A head that is tried on means is told from one that needs frames; the mean is of the frames that s3prl cuts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from s3prl_upstreams.upstreams.means import MeanUpstream, suffice


class MeanHead(nn.Module):
    """As s3prl's ``UtteranceLevel`` with ``MeanPooling``; `before` and `after` come before and after the mean."""

    def __init__(self, before: nn.Module, after: nn.Module, classes: int = 3) -> None:
        super().__init__()
        self.before, self.after, self.linear = before, after, nn.Linear(4, classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        means = torch.stack([own[:count].mean(dim=0) for own, count in zip(self.before(frames), lengths, strict=True)])
        return self.linear(self.after(means)), lengths


def expert(model: nn.Module) -> SimpleNamespace:
    return SimpleNamespace(projector=nn.Linear(6, 4), model=model)


@pytest.mark.parametrize(
    ("before", "after", "enough"),
    [(nn.Identity(), nn.Identity(), True), (nn.Identity(), nn.ReLU(), True), (nn.ReLU(), nn.Identity(), False)],
    ids=["linear", "linear before the mean", "a non-linearity before the mean"],
)
def test_a_head_is_given_means_only_if_it_reads_nothing_else(before: nn.Module, after: nn.Module, enough: bool) -> None:
    torch.manual_seed(0)
    assert suffice(expert(MeanHead(before, after)), SimpleNamespace(normalize=False)) is enough
    assert not suffice(expert(MeanHead(before, after)), SimpleNamespace(normalize=True)), "a norm of each frame"


def test_a_head_of_another_kind_is_given_frames() -> None:
    plain = SimpleNamespace(normalize=False)
    assert not suffice(SimpleNamespace(), plain)
    assert not suffice(expert(nn.LSTM(4, 4)), plain), "it takes no lengths"
    assert not suffice(expert(nn.Bilinear(4, 1, 2)), plain)


def test_means_of_every_kind_of_answer() -> None:
    states = torch.arange(24.0).view(2, 4, 3)
    upstream = MeanUpstream(lambda _: {"hidden_states": [states], "one": states, "more": {"a": states}, "rate": 320}, cut)  # type: ignore[arg-type]
    found = upstream([torch.zeros(1), torch.zeros(1)])
    expected = torch.stack([states[0, :1].mean(0), states[1, :2].mean(0)])[:, None]
    for means in (found["hidden_states"][0], found["one"], found["more"]["a"]):
        assert torch.equal(means, expected)
    assert found["rate"] == 320


def cut(wavs: list[Tensor], features: Tensor) -> list[Tensor]:
    """One frame of the first wave, two of the second, ..."""
    return [own[: row + 1] for row, own in enumerate(features)]

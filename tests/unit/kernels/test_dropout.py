"""The fast dropout drops with the right probability, by torch's seed, the same values forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fairseq_budget.kernels.dropout import INTEGERS, draw, drop, dropout, threshold

DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


def dropped(x: Tensor, probability: float, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return dropout(x, probability, training=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_the_probability(probability: float, dtype: torch.dtype) -> None:
    count = 200_000
    share = float((dropped(torch.ones(count, dtype=dtype), probability) == 0).double().mean())
    deviation = (probability * (1 - probability) / count) ** 0.5
    assert abs(share - probability) < 5 * deviation


def test_neighbours_are_independent() -> None:
    """Numbers are cut from longer ones: none may tell the next."""
    zero = (dropped(torch.ones(400_000), 0.5) == 0).double() - 0.5
    for distance in (1, 2, 3, 4, 8):
        correlation = float((zero[distance:] * zero[:-distance]).mean() / 0.25)
        assert abs(correlation) < 5 / 400_000**0.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rest_is_scaled_up_and_gradients_follow(dtype: torch.dtype) -> None:
    x = torch.linspace(-3, -1, 999, dtype=dtype).view(3, 333).requires_grad_()
    out = dropped(x, 0.2)
    kept = out != 0
    # a rounding of the scale and one of the product
    tolerance = {"rtol": 2 * torch.finfo(dtype).eps, "atol": 0}
    torch.testing.assert_close(out[kept], (x / 0.8)[kept], **tolerance)
    out.sum().backward()
    torch.testing.assert_close(x.grad, kept.to(dtype) / 0.8, **tolerance)


def test_the_seed_is_torchs() -> None:
    x = torch.ones(1000)
    assert torch.equal(dropped(x, 0.3, seed=1), dropped(x, 0.3, seed=1))
    assert not torch.equal(dropped(x, 0.3, seed=1), dropped(x, 0.3, seed=2))


def test_nothing_is_dropped_without_training_or_probability() -> None:
    x = torch.ones(10)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
    assert not dropped(x, 1.0).any()


def test_any_layout_of_memory() -> None:
    x = torch.ones(40, 30, 20).transpose(0, 2)[:, ::2]
    out = dropped(x, 0.25)
    assert out.shape == x.shape
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert draw(x, 3).shape == x.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_value_of_half_precision_falls_on_the_right_side(dtype: torch.dtype) -> None:
    """Also those that aren't a number, and those too small for a float's exponent."""
    integer = INTEGERS[dtype.itemsize]
    top = torch.iinfo(integer).max
    # all of them in half precision, and evenly spread ones in others
    numbers = torch.arange(0, 1 << 15, dtype=integer) * ((top >> 15) + (dtype.itemsize > 2))
    for probability in (1e-4, 0.1, 0.9):
        kept = drop(torch.ones(len(numbers), dtype=dtype), numbers.view(dtype), threshold(probability, dtype)) != 0
        assert torch.equal(kept, numbers >= int(probability * (top + 1) + 0.5))

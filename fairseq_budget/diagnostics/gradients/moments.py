"""Mean and deviation of vectors that come one by one: of ten gradients of a large model, two are in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Moments:
    """Welford 1962: the running mean, and the running sum of squared distances from it, of every parameter."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: list[Tensor] = []
        self._squares: list[Tensor] = []

    def add(self, gradient: Sequence[Tensor]) -> None:
        """One more vector, in as many tensors as the model has."""
        self.count += 1
        if not self._mean:
            self._mean = [torch.zeros_like(part, dtype=torch.float32) for part in gradient]
            self._squares = [torch.zeros_like(mean) for mean in self._mean]
        for part, mean, squares in zip(gradient, self._mean, self._squares, strict=True):
            distance = part.float() - mean
            mean += distance / self.count
            squares += distance * (part.float() - mean)

    def deviation(self) -> float:
        """Standard deviation of each parameter's gradient, averaged over parameters; needs two vectors."""
        total = sum(float((squares / (self.count - 1)).sqrt().sum()) for squares in self._squares)
        return total / self._parameters()

    def variance(self) -> float:
        """Variances summed over parameters: the trace of the covariance."""
        return sum(float(squares.sum()) for squares in self._squares) / (self.count - 1)

    def squared_norm(self) -> float:
        """Of the true gradient, which may be estimated below 0: the mean's is larger by the variance that is left in it."""
        return sum(float((mean**2).sum()) for mean in self._mean) - self.variance() / self.count

    def _parameters(self) -> int:
        return sum(mean.numel() for mean in self._mean)

"""A frozen quantizer: random projection, nearest of random code vectors.

Letters: N frames, D values of a frame, W width of a code vector, V code vectors.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.kernels.precision import ExactBuffers, as_it_is


class RandomProjectionQuantizer(ExactBuffers):
    """Chiu et al. 2022, equation 1: ``argmin_v || normalised c_v - normalised A x ||``, with A and c drawn once.

    A has Xavier's initialisation, the code vectors are standard normal (section 3.1).  Both are drawn from a seed of their
    own, so that models of every size predict the same codes, and stay in single precision under fairseq's fp16.  They are
    saved with the model, as torch's generator may change.
    """

    projection: Tensor
    codebook: Tensor

    def __init__(self, width: int, codes: int, code_dim: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        projection = nn.init.xavier_uniform_(torch.empty(width, code_dim), generator=generator)
        self.register_buffer("projection", projection)
        self.register_buffer("codebook", F.normalize(torch.randn(codes, code_dim, generator=generator), dim=-1))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Shape: x (N, D) -> (N,) int64, the code of each frame."""
        with as_it_is(x):
            # of vectors of length 1, the nearest has the largest product; how long the projection is doesn't matter
            return (x.float() @ self.projection @ self.codebook.t()).argmax(-1)

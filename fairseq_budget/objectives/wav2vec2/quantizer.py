"""Product quantisation with a Gumbel softmax, the source of wav2vec 2.0's targets.

Letters: N frames, C channels, G codebooks, V entries of each, Q width of a quantised vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Quantized:
    """Shape: vectors (N, Q); codes (N, G) int64, the chosen entries; prob_perplexity and code_perplexity (G,), of each
    codebook's average softmax and of the choices made."""

    vectors: Tensor
    codes: Tensor
    prob_perplexity: Tensor
    code_perplexity: Tensor


def perplexity(average: Tensor) -> Tensor:
    """``exp(H(p))`` of each codebook's distribution.  Shape: (G, V) -> (G,)."""
    return torch.exp(-torch.sum(average * torch.log(average + 1e-7), dim=-1))


class GumbelQuantizer(nn.Module):
    """Baevski et al. 2020, section 2, equation 1: one entry of each codebook, concatenated.

    In training, entries are drawn by the straight-through Gumbel softmax; otherwise the most probable ones are taken.  The
    temperature falls with each update: ``max(first * decay ** updates, last)``.
    """

    def __init__(self, dim: int, entries: int, codebooks: int, width: int, temperature: tuple[float, float, float]) -> None:
        super().__init__()
        self.entries, self.codebooks = entries, codebooks
        self.vars = nn.Parameter(torch.empty(1, codebooks * entries, width // codebooks).uniform_())
        self.weight_proj = nn.Linear(dim, codebooks * entries)
        nn.init.normal_(self.weight_proj.weight)
        nn.init.zeros_(self.weight_proj.bias)
        self.first, self.last, self.decay = temperature
        self.temperature, self.updates = self.first, 0

    def set_num_updates(self, num_updates: int) -> None:
        """Called by fairseq's trainer after every update."""
        self.temperature, self.updates = max(self.first * self.decay**num_updates, self.last), num_updates

    @torch.no_grad()
    def similarities(self) -> dict[str, Tensor]:
        """Least, mean and greatest cosine similarity of two codewords of each codebook, by name; codebooks from 1.

        Codewords that grow alike are how training collapses (Vaessen and van Leeuwen, figures 8 to 11).
        """
        books = F.normalize(self.vars.float().view(self.codebooks, self.entries, -1), dim=-1)
        pairs = torch.triu_indices(self.entries, self.entries, offset=1, device=books.device)
        found = (books @ books.transpose(1, 2))[:, pairs[0], pairs[1]]
        kinds = {"min": found.amin(1), "mean": found.mean(1), "max": found.amax(1)}
        return {
            f"codeword_similarity_{kind}_{book + 1}": values[book]
            for kind, values in kinds.items()
            for book in range(self.codebooks)
        }

    def forward(self, x: Tensor) -> Quantized:
        """Shape: x (N, C)."""
        # (N, G * V) -> (N, G, V)
        logits = self.weight_proj(x).view(-1, self.codebooks, self.entries).float()
        codes = logits.argmax(-1)
        hard = F.one_hot(codes, self.entries).to(logits.dtype)
        code_perplexity = perplexity(hard.mean(0)).detach()
        prob_perplexity = perplexity(logits.softmax(-1).mean(0))
        if self.training:
            choice = F.gumbel_softmax(logits, tau=self.temperature, hard=True)
            codes = choice.detach().argmax(-1)
        else:
            choice = hard
        books = self.vars.view(self.codebooks, self.entries, -1)
        # a product with the one-hot choice: N x G x V x Q / G never exists in memory
        vectors = torch.einsum("ngv,gvq->ngq", choice.type_as(books), books).flatten(1)
        return Quantized(vectors, codes, prob_perplexity, code_perplexity)

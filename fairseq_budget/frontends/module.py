"""What every front end's module has in common.

Letters: B utterances, S samples, F frames, C values of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


class FrontendModule(nn.Module):
    """Waveform to frames; a front end subclasses it."""

    @property
    def needs_statistics(self) -> bool:
        """Whether :meth:`measure` has to be called before training."""
        return False

    def measure(self, waves: Iterable[Tensor]) -> None:
        """Take the corpus's statistics from some of its utterances; a front end without any takes none.

        Shape: waves (T,) each.
        """

    def forward(self, source: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Shape: source (B, S), lengths (B,) in samples or None -> frames (B, F, C), lengths (B,) in frames or None."""
        raise NotImplementedError

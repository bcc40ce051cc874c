"""How full the batches of a packer are, how many shapes they have, and how much they mix.

Letters: N utterances, B rows of a batch, S samples of a row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.packing import Packer, pack
from fairseq_budget.data.packing.batches import Batches, extremes


@dataclass(frozen=True)
class PackingStatistics:
    """One epoch (for `meet_again` two) of a packer."""

    batches: int
    efficiency: float
    """Audio that reaches the loss / (batches x limit): neither empty room nor padding counts."""
    heard: float
    """Audio that reaches the loss / audio of the corpus, whose utterances may be cropped and whose batches dropped."""
    left_out: float
    """Share of the utterances that are in no batch."""
    padded: float
    """Share of the batches' samples that are padding."""
    shapes: int
    """Different (B, S)."""
    commonest: float
    """Share of the batches that have the commonest row length."""
    spread_seconds: float
    """Longest minus shortest utterance of a batch, before cropping, on average."""
    meet_again: float
    """Share of the pairs in a batch that are in one batch in the next epoch, too."""


def measure(packer: Packer, lengths: np.ndarray, longest_crop: int, max_samples: int, seed: int = 0) -> PackingStatistics:
    """Pack two epochs and look.

    Shape: lengths (N,) int, as the utterances are; the packer's are at most `longest_crop`.
    """
    found = packer.batches(np.random.default_rng((seed, 1)))
    if not found:  # the rule dropped them all
        return PackingStatistics(0, 0.0, 0.0, 1.0, 0.0, 0, 0.0, 0.0, 0.0)
    cropped = np.minimum(lengths, longest_crop)
    shapes = [(len(batch), packer.row_length(cropped[batch])) for batch in found]
    heard = samples_heard(packer, cropped, found)
    commonest = Counter(row for _, row in shapes).most_common(1)[0][1]
    return PackingStatistics(
        batches=len(found),
        efficiency=heard / (len(found) * max_samples),
        heard=heard / int(lengths.sum()),
        left_out=1 - sum(rows for rows, _ in shapes) / len(lengths),
        padded=1 - heard / sum(rows * row for rows, row in shapes),
        shapes=len(set(shapes)),
        commonest=commonest / len(found),
        spread_seconds=float(np.mean([np.ptp(lengths[batch]) for batch in found])) / SAMPLE_RATE,
        meet_again=_meet_again(found, packer.batches(np.random.default_rng((seed, 2))), len(lengths)),
    )


def filled(rule: str, lengths: np.ndarray, max_samples: int, padding: bool = False) -> float:
    """Share of its batches' room that a corpus fills by a rule in an epoch; 0 where the rule drops every batch.

    Shape: lengths (N,) int, as utterances are cropped.
    """
    packer = pack(rule, lengths, max_samples, padding=padding)
    found = packer.batches(np.random.default_rng(0))
    return samples_heard(packer, lengths, found) / (len(found) * max_samples) if found else 0.0


def samples_heard(packer: Packer, lengths: np.ndarray, batches: Batches) -> int:
    """Samples that reach the loss.  Shape: lengths (N,) int, the packer's."""
    rows = packer.row_lengths(*extremes(batches, lengths))
    return int(np.minimum(lengths[batches.members], np.repeat(rows, batches.sizes)).sum(dtype=np.int64))


def _meet_again(first: Batches, second: Batches, utterances: int) -> float:
    place = np.full(utterances, -1)
    for number, batch in enumerate(second):
        place[batch] = number
    pairs = together = 0
    for batch in first:
        pairs += len(batch) * (len(batch) - 1)
        meeting = place[batch]
        together += int(((meeting[:, None] == meeting) & (meeting >= 0)).sum()) - int((meeting >= 0).sum())
    return together / pairs if pairs else 0.0

"""HuBERT's labels for a re-cut manifest, joined from the labels of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.segments import Cuts

WINDOW = 400
"""Samples that a label or a frame of the encoder looks at: 25 ms, for MFCC as for the published convolutions."""


class RowLabels(Protocol):
    """Labels by row, such as ``labels.LabelFile``."""

    def __getitem__(self, index: int) -> np.ndarray: ...


class SegmentLabels:
    """Labels by segment, made when asked for.

    Shape: [index] -> (frames,) int64
    """

    def __init__(self, labels: RowLabels, cuts: Cuts, label_rate: float) -> None:
        self.labels, self.cuts, self.label_rate = labels, cuts, label_rate

    def __len__(self) -> int:
        return len(self.cuts.first) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Labels of one segment.  Shape: (frames,), int64"""
        pieces = self.cuts.pieces(index)
        rows = [self.labels[row] for row, _, _ in pieces]
        return join_labels(rows, [offset for _, offset, _ in pieces], [frames for _, _, frames in pieces], self.label_rate)


def join_labels(
    labels: Sequence[np.ndarray], offsets: Sequence[int], frames: Sequence[int], label_rate: float
) -> np.ndarray:
    """The labels of audio that was joined from pieces of utterances.

    Label k of the result begins at time k / `label_rate`.  It is a label of the utterance that is heard in the middle of
    its window: the one whose time is nearest, at most half a frame away.  Every utterance has a label or two less than its
    audio is long (the last window must fit).  At a joint its last label stands for them, so that nothing that follows is
    shifted; at the end of the result they are missing, as in any utterance.

    labels: those of each piece's whole utterance; offsets, frames: the piece within it, in samples at 16 kHz.

    Shape: list of (L_i,) -> (at most the frames of all pieces,)
    """
    step = SAMPLE_RATE / label_rate
    begins = np.cumsum([0, *frames])
    # a piece of an utterance too short for one label takes its neighbour's
    heard = [piece for piece, row in enumerate(labels) if len(row)]
    if not heard:
        return np.empty(0, dtype=np.int64)
    times = np.arange(round(int(begins[-1]) / step)) * step
    which = np.maximum(np.searchsorted(begins[heard], times + WINDOW / 2, side="right") - 1, 0)
    joined = []
    for number, piece in enumerate(heard):
        own = np.rint((times[which == number] - begins[piece] + offsets[piece]) / step).astype(np.int64)
        if piece == len(labels) - 1:
            own = own[own < len(labels[piece])]
        joined.append(labels[piece][np.clip(own, 0, len(labels[piece]) - 1)])
    return np.concatenate(joined)

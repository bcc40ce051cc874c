"""Before training, a front end that normalises by the corpus hears some of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.plugin.dataset import PretrainingDataset

logger = logging.getLogger(__name__)

MOST_UTTERANCES = 256
"""An hour of LibriSpeech: enough for a mean and a deviation of each band, and seconds of work."""


def measure_statistics(network: SpeechEncoder, dataset: PretrainingDataset, skip_bad_audio: bool) -> None:
    """Give the model the statistics of its training split; a checkpoint that has them keeps its own.

    Utterances are taken evenly from the manifest, cropped at their end: every rank takes the same.

    Raises:
        BudgetError: audio that cannot be read, unless it is to be skipped; not a frame in all of it.
    """
    frontend = network.feature_extractor
    if not frontend.needs_statistics:
        return
    places = np.linspace(0, len(dataset.kept) - 1, min(MOST_UTTERANCES, len(dataset.kept)))
    chosen = dataset.kept[places.round().astype(int)].tolist()
    frontend.measure(_waves(dataset, chosen, skip_bad_audio))
    logger.info("statistics of the front end: measured on %d of %d utterances", len(chosen), len(dataset.kept))


def _waves(dataset: PretrainingDataset, indices: list[int], skip_bad_audio: bool) -> Iterator[Tensor]:
    """Shape: yields (T,)."""
    for index in indices:
        try:
            yield dataset.read(index)[: dataset.num_tokens(index)]
        except BudgetError as error:  # training finds the same, and counts it
            if not skip_bad_audio:
                raise
            logger.warning("%s; left out of the front end's statistics", error)

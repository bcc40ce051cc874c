"""How much audio a processor core reads for training: by format, from files and from archives, one process, warm files."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.scan import scan
from fairseq_budget.plugin.dataset import PretrainingDataset

MINUTES = 10
"""So much of the corpus is written again in each format."""
FORMATS = {"FLAC": (".flac", "FLAC", "PCM_16"), "WAV": (".wav", "WAV", "PCM_16"), "Opus": (".opus", "OGG", "OPUS")}
"""Endings, and how libsndfile calls them."""
DEVICE_RATE = 400_000 * 45 * 60 / (160 * 3600)
"""Seconds of audio a second: HuBERT Base, 400,000 updates of 45 min in 160 H100-hours, as minimal-hubert's authors state."""
_CROP = 250_000
_BATCH = 1_400_000
"""The recipes' longest crop, and samples of a batch."""


@dataclass(frozen=True)
class Reading:
    """Audio of one format, by the kind of place it lies in: hours that reached batches, and seconds of the processor."""

    format: str
    place: str
    hours: float
    core_seconds: float

    @property
    def hours_per_core_second(self) -> float:
        return self.hours / self.core_seconds

    def cores(self, device_rate: float) -> float:
        """Cores for a device that hears so many seconds of audio a second."""
        return device_rate / 3600 / self.hours_per_core_second


def measure_reading(data: Path, report: Callable[[str], None]) -> Iterator[Reading]:
    """Read some of `data`/train.tsv as it is, and in each format as files and as the members of a tar."""
    manifest = Manifest.read(data / "train.tsv")
    enough = int(np.searchsorted(np.cumsum(manifest.frames), MINUTES * 60 * SAMPLE_RATE)) + 1
    few = manifest.subset(range(min(enough, len(manifest))))
    report("as it is")
    yield Reading("as it is", "where it is", *_read(few))
    with TemporaryDirectory() as folder:
        for name, (ending, container, encoding) in FORMATS.items():
            report(name)
            files, shards = Path(folder, name, "files"), Path(folder, name, "tar")
            files.mkdir(parents=True)
            shards.mkdir()
            with tarfile.open(shards / "0.tar", "w") as tar:
                for index in range(len(few)):
                    path = files / f"{index:06d}{ending}"
                    soundfile.write(path, few.read_audio(index), SAMPLE_RATE, format=container, subtype=encoding)
                    tar.add(path, path.name)
            for place in (files, shards):
                yield Reading(name, place.name, *_read(scan(place)))


def _read(manifest: Manifest) -> tuple[float, float]:
    """Hours that were heard, and seconds of this process, for an epoch of batches."""
    dataset = PretrainingDataset(manifest, _CROP, 1, False, 0)
    batches = list(dataset.batch_by_size(dataset.ordered_indices(), _BATCH))
    dataset.collater([dataset[index] for index in batches[0]])
    begun = time.process_time()
    heard = sum(int(dataset.collater([dataset[index] for index in batch])["samples"].sum()) for batch in batches)
    return heard / SAMPLE_RATE / 3600, time.process_time() - begun

"""The quality of the labels in a folder, measured from the files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget.data.alignments import Alignments
from fairseq_budget.data.label_record import read_label_rate
from fairseq_budget.data.labels import DICTIONARY_NAME, LabelFile, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels.quality import Agreement, Histogram

WINDOW_SECONDS = 0.025
"""What a label was made of: the window of an MFCC frame, and as much the convolutions of the published encoder see."""


def label_quality(
    data: Path, labels: Path, splits: tuple[str, ...], phones: Path | None = None, against: Path | None = None
) -> dict[str, dict[str, Any]]:
    """For each split: how labels are used, and how they agree with phones and with other labels.

    Args:
        data: folder of the manifests.
        labels: folder of the labels.
        phones: a CTM file; default: the files ``*.phones.ctm`` beside the audio, if there are any.
        against: folder of other labels for the same manifests, such as another round's.

    Returns:
        By split: what ``Histogram.summary`` says, ``histogram`` (K counts), ``phones`` and ``against`` (what
        ``Agreement.summary`` says; None where nothing is known).
    """
    alignments = Alignments(phones)
    return {split: _measure(data, labels, split, alignments, against) for split in splits}


def _measure(data: Path, folder: Path, split: str, alignments: Alignments, against: Path | None) -> dict[str, Any]:
    manifest = Manifest.read(data / f"{split}.tsv")
    labels, rate = _open(folder, split, manifest)
    other, other_rate = _open(against, split, manifest) if against is not None else (None, rate)
    histogram = Histogram(labels.num_labels)
    with_phones, with_other = Agreement(labels.num_labels), Agreement(labels.num_labels)
    for index in tracked(range(len(manifest)), f"quality {split}", len(manifest)):
        row = labels[index]
        histogram.add(row)
        frame = np.arange(len(row))
        with_phones.add(alignments.codes_at(manifest, index, frame / rate + WINDOW_SECONDS / 2), row)
        if other is not None:
            reference = other[index]
            # both windows begin with the audio, so frames of the same time have proportional numbers
            same_time = np.rint(frame * other_rate / rate).astype(np.int64)
            inside = same_time < len(reference)
            with_other.add(reference[same_time[inside]], row[inside])
    agreement = with_phones.summary()
    return {
        "label_rate": rate,
        "clusters": labels.num_labels,
        **histogram.summary(rate),
        "histogram": histogram.counts.tolist(),
        "phones": agreement if agreement["frames"] else None,
        "against": with_other.summary() if other is not None else None,
    }


def _open(folder: Path, split: str, manifest: Manifest) -> tuple[LabelFile, float]:
    """A split's labels and their rate, checked against the manifest."""
    if not folder.is_dir():
        raise BudgetError(f"folder `{folder}` does not exist: name the folder of the label files")
    labels, rate = LabelFile(folder / f"{split}.km", read_dictionary(folder / DICTIONARY_NAME)), read_label_rate(folder)
    labels.check(manifest.frames, rate)
    return labels, rate

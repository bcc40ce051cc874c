"""The record beside label files, ``labels.json``: how they were made, at which rate, out of which codebook.

Labels mean something only together with the codebook, k-means' centres, whose numbers they are; its hash stands in the
record for every split, and in every checkpoint that was trained on them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.sealed import sealed, unsealed

RECORD_NAME = "labels.json"
_REMAKE = "make the labels again with `fairseq-budget labels`"


def read_label_rate(folder: Path) -> float:
    """Labels per second of the label files in a folder.

    Raises:
        BudgetError: there is no record, or it doesn't tell.
    """
    record = read_record(folder)
    if record is None:
        raise BudgetError(
            f"`{folder / RECORD_NAME}` is missing, which tells the label rate: {_REMAKE}, or set `task.label_rate`"
        )
    return record.rate


def read_record(folder: Path) -> LabelRecord | None:
    """The record in a folder; None where there is none, as beside labels of another origin.

    Raises:
        BudgetError: it is not a record of labels.
    """
    path = folder / RECORD_NAME
    if not path.exists():
        return None
    try:
        record = LabelRecord(path, unsealed(dict(json.loads(path.read_text(encoding="utf-8")))))
        (
            record.splits,
            record.rate,
            record.round,
            int(record.content.get("clusters", 0)),
            record.forward_flops,
            record.content["fit_split"],
        )
        if not 0 < record.rate < math.inf:
            raise ValueError(f"label_rate is {record.rate}")
    except (OSError, ArithmeticError, AttributeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BudgetError(f"`{path}` is not a record of labels ({error!r}): delete it and {_REMAKE}") from error
    return record


@dataclass(frozen=True)
class LabelRecord:
    """What ``labels.json`` says."""

    path: Path
    content: dict[str, Any]

    def write(self) -> None:
        """Write it, all or nothing."""
        with atomic(self.path) as partial:
            partial.write_text(json.dumps(sealed(self.content), indent=1) + "\n", encoding="utf-8")

    @property
    def rate(self) -> float:
        """Labels per second."""
        return float(self.content["label_rate"])

    @property
    def splits(self) -> dict[str, dict[str, Any]]:
        """What is known of each split that has been labelled."""
        return dict(self.content.get("splits", {}))

    @property
    def codebook(self) -> str | None:
        """SHA-256 of k-means' centres; None before they were fitted."""
        return self.content.get("kmeans", {}).get("centres_sha256")

    @property
    def round(self) -> int:
        """1 for labels of MFCC, one more than its model's labels for those of a hidden layer."""
        return int(self.content.get("round", 1))

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """The rounds of training before these labels, the first one first: model, layer, what was spent."""
        return list(self.content.get("rounds", []))

    @property
    def forward_flops(self) -> int:
        """FLOPs of the model's forward passes that these labels took; 0 for those of MFCC."""
        parts = [self.content.get("kmeans", {}), *self.splits.values()]
        return sum(int(part.get("forward_flops", 0)) for part in parts)

    def check_split(self, split: str, text_sha256: str, manifest: Manifest) -> None:
        """Refuse a label file that is not the one that was made here, that another codebook gave, or whose labels are those
        of other utterances than the manifest's.

        Raises:
            BudgetError: the split was not labelled here, was changed since, comes from another codebook or manifest.
        """
        known = self.splits.get(split)
        if known is None:
            named = ", ".join(self.splits) or "no split"
            raise BudgetError(f"`{self.path}` tells of {named}, but not of `{split}`: {_REMAKE} and name all in `--splits`")
        # labels of version 0.1 tell neither
        if known.get("codebook", self.codebook) != self.codebook:
            raise BudgetError(
                f"`{self.path}`: the labels of `{split}` come from another codebook than those of "
                f"`{self.content['fit_split']}`: {_REMAKE} and name all in `--splits`"
            )
        if known.get("text_sha256", text_sha256) != text_sha256:
            raise BudgetError(
                f"the labels of `{split}` beside `{self.path}` were changed or replaced since they were made: {_REMAKE}, "
                f"or, if they are meant to be used as they are, delete {RECORD_NAME} and set `task.label_rate`"
            )

        # before 0.4.0 only the whole file's hash was kept, which a corpus that was moved changes
        rows = manifest.digest
        if known.get("manifest_rows", rows) != rows:
            raise BudgetError(
                f"the labels of `{split}` beside `{self.path}` were made for other utterances, or another order of them, "
                f"than those in `{manifest.path}`: {_REMAKE}"
            )

    def identity(self) -> dict[str, Any]:
        """What labels must have in common to be trained on together."""
        return {"codebook": self.codebook, "label_rate": self.rate, "clusters": int(self.content["clusters"])}

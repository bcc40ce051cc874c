"""What only shows when all rows, of all splits, are seen together: the same audio twice, the same speakers.

N is a number of rows.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from fairseq_budget.data.archives.index import member_of
from fairseq_budget.data.check.findings import Findings
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.speakers import speaker_names
from fairseq_budget.errors import BudgetError, ConfigError

_NAMED = 5


def check_duplicates(digests: dict[str, np.ndarray], manifests: dict[str, Manifest], findings: Findings) -> None:
    """Find equal audio by its hashes, by split: (N,) of 16 bytes; zeros for rows to leave out.

    The first split is the one to train on.  It is the one that has a row too many, so that the others stay as they were.
    """
    splits = list(digests)[1:] + list(digests)[:1]
    hashes = np.concatenate([digests[split] for split in splits]).view(np.uint64).reshape(-1, 2)
    split_of = np.repeat(np.arange(len(splits)), [len(digests[split]) for split in splits])
    row_of = np.concatenate([np.arange(len(digests[split])) for split in splits])
    chosen = np.flatnonzero(hashes.any(axis=1))
    # lexsort is stable: among equal ones the first comes first
    order = chosen[np.lexsort(hashes[chosen].T)]
    same = np.append(False, (hashes[order[1:]] == hashes[order[:-1]]).all(axis=1))[: len(order)]
    first = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    repeats = np.flatnonzero(same)
    for place in repeats[np.argsort(order[repeats])].tolist():
        again, before = order[place], order[first[place]]
        split, other = splits[split_of[again]], splits[split_of[before]]
        kind = "duplicate" if split == other else "leak"
        findings.add(kind, split, int(row_of[again]), f"the same as {place_of(manifests, other, int(row_of[before]))}")


def check_speakers(manifests: dict[str, Manifest], rule: str, findings: Findings) -> dict[str, int | None]:
    """Find speakers that occur in two splits; the number of speakers by split, None where the rule doesn't tell them."""
    names: dict[str, set[str]] = {}
    counts: dict[str, int | None] = dict.fromkeys(manifests)
    for split, manifest in manifests.items():
        try:
            names[split] = set(speaker_names(manifest, rule))
        except ConfigError:
            raise
        except BudgetError:
            continue
        counts[split] = len(names[split])
    for one, other in combinations(names, 2):
        if shared := sorted(names[one] & names[other]):
            more = ", ..." if len(shared) > _NAMED else ""
            detail = f"{len(shared)} of {len(names[other])} also in {one}: {', '.join(shared[:_NAMED])}{more}"
            findings.add("speakers", other, None, detail)
    return counts


def place_of(manifests: dict[str, Manifest], split: str, row: int) -> str:
    """Where a row stands, and its (first) file."""
    manifest = manifests[split]
    name = manifest.parts(row)[0].name
    member = member_of(manifest.root / name)
    return f"{split}.tsv, line {manifest.first_line + row}: {name}" + (f" ({member})" if member else "")

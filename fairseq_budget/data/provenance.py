"""Where a manifest comes from: what ``train.tsv.json`` tells of ``train.tsv``.

It stands beside the manifest, not in it, so that stock fairseq and its tools read the manifest.  It has the digest of the
rows that it is about: of others, written by another tool since, it tells nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.sealed import sealed, unsealed

ROWS = "rows_sha256"


def provenance_path(manifest: Path) -> Path:
    """``train.tsv.json`` of ``train.tsv``."""
    return manifest.with_name(f"{manifest.name}.json")


def write_provenance(manifest: Path, rows_sha256: str, told: Mapping[str, Any]) -> None:
    """Write what is told of a manifest's rows, all or nothing; where nothing is told, what stood there goes."""
    path = provenance_path(manifest)
    if not told:
        path.unlink(missing_ok=True)
        return
    texts = {name: " ".join(str(value).split()) for name, value in told.items()}
    with atomic(path) as partial:
        partial.write_text(json.dumps(sealed(texts | {ROWS: rows_sha256}), indent=1) + "\n", encoding="utf-8")


def read_provenance(manifest: Path, rows_sha256: str) -> dict[str, str]:
    """What is told of a manifest's rows; nothing where there is no such file, or it is about other rows.

    Raises:
        BudgetError: the file is damaged.
    """
    path = provenance_path(manifest)
    if not path.is_file():
        return {}
    try:
        told = {
            str(name): str(value) for name, value in unsealed(dict(json.loads(path.read_text(encoding="utf-8")))).items()
        }
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BudgetError(
            f"`{path}`, which tells where `{manifest}` comes from, can't be read ({error}): delete it"
        ) from error
    return told if told.pop(ROWS, None) == rows_sha256 else {}

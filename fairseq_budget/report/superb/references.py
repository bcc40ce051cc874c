"""Published rows that a study's own stand beside (see published/README.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairseq_budget import published
from fairseq_budget.errors import unknown_name
from fairseq_budget.published.columns import COLUMNS
from fairseq_budget.records.names import upstream_name


@dataclass(frozen=True)
class PublishedRow:
    """A paper's table: its rows' names, and its columns where they're called otherwise here."""

    paper: str
    rows: Callable[[], Any]
    name: Callable[[Mapping[str, Any]], str]
    renamed: Mapping[str, str]
    left_out: tuple[str, ...] = ()


PUBLISHED = {
    "table2": PublishedRow(
        published.PAPER, published.superb, lambda row: upstream_name(row["objective"], row["arch"]), renamed={}
    ),
    "batchsize": PublishedRow(
        "Vaessen and van Leeuwen 2024, wav2vec 2.0 Base",
        published.superb_by_batch_size,
        lambda row: f"batch {row['ssl_batch']}, {row['steps']} updates",
        renamed={"ASR_en_WER": "ASR_WER"},
    ),
    "seqlen": PublishedRow(
        "Gao et al. 2022, wav2vec 2.0 Base",
        published.superb_by_sequence_length,
        lambda row: f"{row['ssl_seconds']} s, {row['mode']}",
        renamed={"KWS12_ACC": "KS_ACC"},
        left_out=("SF_CER",),  # a fifth of what SUPERB's metric is for such a model, so another one
    ),
}
"""By the name that the command line uses."""


def published_rows(name: str) -> list[tuple[str, dict[str, float]]]:
    """(row's name, values by column) of a paper's table; ConfigError for one that isn't there."""
    if name not in PUBLISHED:
        raise unknown_name("published table", name, [*PUBLISHED, "none"])
    table = PUBLISHED[name]
    return [(table.name(row), _values(table, row)) for row in table.rows()]


def _values(table: PublishedRow, row: Mapping[str, Any]) -> dict[str, float]:
    named = {table.renamed.get(key, key): value for key, value in row.items() if key not in table.left_out}
    return {key: float(value) for key, value in named.items() if key in COLUMNS}

"""The columns of the table: one for each metric, in the order of table 2 of Liu et al. 2024 (arXiv 2409.16295)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A metric.  `key` is its name in records (``scores``) and in the published files; numbers are percent, MTWV raw."""

    key: str
    task: str
    metric: str
    higher_is_better: bool
    decimals: int = 2

    @property
    def title(self) -> str:
        """``ASR WER ↓``: the arrow points to what is better."""
        return f"{self.task} {self.metric} {'↑' if self.higher_is_better else '↓'}"

    def text(self, value: float | None) -> str:
        """A number of the column; nothing where there is none, OOM for NaN: a step that ran out of memory."""
        if value is None:
            return ""
        return "OOM" if math.isnan(value) else f"{value:.{self.decimals}f}"


TABLE_2 = (
    Column("ASR_WER", "ASR", "WER", False),
    Column("PR_PER", "PR", "PER", False),
    Column("ASV_EER", "ASV", "EER", False),
    Column("SD_DER", "SD", "DER", False),
    Column("SF_CER", "SF", "CER", False),
    Column("SF_F1", "SF", "F1", True),
    Column("KS_ACC", "KS", "Acc", True),
    Column("IC_ACC", "IC", "Acc", True),
    Column("SID_ACC", "SID", "Acc", True),
    Column("ER_ACC", "ER", "Acc", True),
)
"""The tasks of the study; always shown."""

OTHERS = (
    Column("QbE_MTWV", "QbE", "MTWV", True, decimals=4),
    Column("ASR_zh_CER", "ASR zh", "CER", False),
    Column("KWS35_ACC", "KS35", "Acc", True),
    Column("KEYWORDS_ACC", "own keywords", "Acc", True),
    Column("SPEAKERS_ACC", "own speakers", "Acc", True),
)
"""Shown where somebody has them."""

COLUMNS = {column.key: column for column in (*TABLE_2, *OTHERS)}

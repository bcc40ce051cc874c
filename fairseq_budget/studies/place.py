"""Where a study's files lie: one folder, which several studies may share.

OUT/corpus                  speech that the study makes, keywords beside it
OUT/data                    manifests train.tsv and valid.tsv, a part-SHARE.tsv for each smaller share, labels of MFCC
OUT/labels/TEACHER          labels that are clusters of a cell's features
OUT/pretrain/CELL           fairseq's run folder of a cell, with its record
OUT/downstream/CELL/TASK    its evaluation, with its record
OUT/report/STUDY            tables, figures and a page
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.records.base import FILE
from fairseq_budget.records.finetuning import FinetuningRecord
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.studies.study import Cell, Kept

LAST, BEST = "checkpoint_last.pt", "checkpoint_best.pt"


@dataclass(frozen=True)
class Place:
    """A study's folder."""

    folder: Path

    @property
    def data(self) -> Path:
        """Manifests, and labels of MFCC."""
        return self.folder / "data"

    @property
    def corpus(self) -> Path:
        """Speech that the study makes."""
        return self.folder / "corpus"

    @property
    def pretrain(self) -> Path:
        """Hydra's sweep folder."""
        return self.folder / "pretrain"

    def run(self, cell: Cell | str) -> Path:
        """fairseq's folder of a cell, or of the one that it looks at."""
        if isinstance(cell, str):
            return self.pretrain / cell
        return self.pretrain / (cell.name if cell.looks_at is None else cell.looks_at.cell)

    def record(self, cell: Cell) -> Path:
        """What the run left."""
        return self.run(cell) / FILE

    def read_record(self, cell: Cell) -> PretrainingRecord:
        """The record of the cell's run.

        Raises:
            BudgetError: there is none yet, or a damaged one.
        """
        kind = FinetuningRecord if cell.fine_tuned else PretrainingRecord
        return kind.read(self.record(cell))

    def kept(self, kept: Kept) -> Path:
        """A checkpoint of a cell."""
        name = LAST if kept.updates is None else f"checkpoint_at_{kept.updates}_updates.pt"
        return self.run(kept.cell) / "checkpoints" / name

    def checkpoint(self, cell: Cell) -> Path:
        """What is evaluated: the last one, or of fine-tuning the best, as paper C has it."""
        if cell.looks_at is not None:
            return self.kept(cell.looks_at)
        return self.run(cell) / "checkpoints" / (BEST if cell.fine_tuned else LAST)

    @property
    def superb(self) -> Path:
        """Miniatures of SUPERB's corpora."""
        return self.folder / "superb"

    @property
    def word_model(self) -> Path:
        """Of the training transcripts."""
        return self.data / "4gram.arpa"

    def score(self, cell: Cell, task: str) -> Path:
        """What an evaluation left."""
        return self.downstream(cell) / task / FILE

    def downstream(self, cell: Cell) -> Path:
        """Every task of a cell."""
        return self.folder / "downstream" / cell.name

    def labels(self, cell: Cell) -> Path:
        """Those that a cell is trained on."""
        return self.data if cell.teacher is None else self.labels_by(cell.teacher)

    def labels_by(self, teacher: str) -> Path:
        """Clusters of a cell's features."""
        return self.folder / "labels" / teacher

    def report(self, study: str) -> Path:
        """Its tables and figures."""
        return self.folder / "report" / study


def part(share: float) -> str:
    """The split of a share of the training audio: the name of its manifest and of its labels."""
    return "train" if share == 1 else f"part-{share:.4g}"

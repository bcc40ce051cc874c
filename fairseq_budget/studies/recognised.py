"""What the studies of fine-tuning have in common (Vaessen and van Leeuwen): sets of labels, and cells tuned on them."""

from __future__ import annotations

from fairseq_budget.objectives.objective import FINETUNE
from fairseq_budget.studies.cells import PUBLISHED_HOURS
from fairseq_budget.studies.study import PAPER, RECOGNITION, Cell, Kept

LABELLED = {"10min": 1 / 6, "1h": 1.0, "10h": 10.0, "100h": 100.0, "960h": 960.0}
"""Hours of transcribed speech by the recipe's name."""
MINI_SHARES = {"2min": 1 / 16, "7min": 1 / 4, "30min": 1.0}
"""Of the half hour that a mini study makes."""
MINI_UPDATES, MINI_HOURS = 1500, 0.5
MINI_OVERRIDES = ("frontend=mel", "finetune=mini", f"task.budget.updates={MINI_UPDATES}", "model.freeze_updates=180")
PAPER_COLUMNS = ("clean_letters", "other_letters", "clean_words", "other_words")
MINI_COLUMNS = ("valid_letters", "valid_words")
COUNTERPARTS = {"valid_letters": "clean_letters", "valid_words": "clean_words"}
"""What the miniature's set is shown beside."""
SCRATCH = "from scratch"
MINI_DIFFERENCES = (
    "Mel frames, 0.09 M parameters; 2, 7 and 30 minutes of generated speech with transcripts; 1,500 updates of 32 s at "
    "2e-3, an eighth of them frozen.",
    "After that the projection of the frames learns, too; the paper's front end never does.",
    "Error rates are those of the validation set; the word model is of the training transcripts.",
)
PAPER_DIFFERENCES = (
    "Subsets are this project's own, balanced over speakers; the paper's are Libri-light's (10 min, 1 h, 10 h).",
    "The best checkpoint by validation loss on dev-clean; the paper held out speakers of the training sets.",
)


def tuned(scale: str, size: str, labels: str, begins_from: Kept | None, called: str, series: str, x: float) -> Cell:
    """A checkpoint, or nothing, fine-tuned on some hours.

    Args:
        labels: a key of :data:`LABELLED`, in miniature of :data:`MINI_SHARES`.
        called: what it begins from, for the cell's name.
    """
    if scale == PAPER:
        overrides: tuple[str, ...] = (f"finetune={labels}", f"size={size}")
        share = LABELLED[labels] / PUBLISHED_HOURS
    else:
        overrides, share = (*MINI_OVERRIDES, f"size={size}"), MINI_SHARES[labels]
    return Cell(
        f"ctc-{labels}-{called}",
        FINETUNE,
        overrides,
        series,
        x,
        data_share=share,
        tasks=(RECOGNITION,),
        begins_from=begins_from,
    )

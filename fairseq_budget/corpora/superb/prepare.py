"""What s3prl needs beside each corpus and its PyPI package lacks: made from one's copy of the corpus, or fetched.

Everything of a task goes to ``OUT/TASK``, where the recipes look for it.  Nothing is written into the corpus.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fairseq_budget.corpora.superb import (
    common_voice,
    folders,
    iemocap,
    libri2mix,
    librispeech,
    others,
    voxceleb1,
)
from fairseq_budget.errors import BudgetError, unknown_name

Prepare = Callable[[Path, Path, bool], list[str]]

PREPARE: dict[str, Prepare] = {
    "pr": librispeech.phonemes,
    "asr": librispeech.characters,
    "asr_zh": common_voice.characters,
    "ks": others.keywords,
    "ks35": others.all_words,
    "ic": others.intents,
    "sf": others.slots,
    "sid": voxceleb1.identification,
    "asv": voxceleb1.verification,
    "sd": libri2mix.diarization,
    "er": iemocap.emotions,
    "qbe": others.queries,
    "keywords": folders.keywords,
    "speakers": folders.speakers,
}
"""By task: a function of the corpus, the folder to write to, and whether lists are the corpus's own."""


def prepare(task: str, root: Path, out: Path, own_lists: bool = False) -> list[str]:
    """Prepare the corpus in `root` for a task; returns a line on each thing that was made or found.

    With `own_lists`, lists that officially come with s3prl are made from the corpus, which then needn't be the official one.

    Raises:
        BudgetError: an unknown task, and a corpus in which something is missing.
    """
    if task not in PREPARE:
        raise unknown_name("task", task, PREPARE)
    if not root.is_dir():
        raise BudgetError(f"no folder `{root}`: give the folder of the corpus")
    return PREPARE[task](root.resolve(), out.resolve() / task, own_lists)

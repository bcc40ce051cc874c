"""The tasks of SUPERB: what s3prl calls them, what is measured, on which split, and which checkpoint counts.

Every number that s3prl's experts log while they evaluate is a line of ``scores.jsonl`` in the run's experiment folder (see
`scores.py`), keyed by split and metric; this table says which of them are a task's scores and how they become the numbers
of the papers' tables.  Values and protocol: SUPERB (Yang et al. 2021) as s3prl 0.4.18 has it, in each task's expert and in
s3prl/downstream/docs/superb.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fairseq_budget.errors import unknown_name


@dataclass(frozen=True)
class Metric:
    """A number of a task: `key` in ``scores.jsonl``, `column` in the papers' tables.

    s3prl's own number times `factor` is in `unit`.
    """

    key: str
    column: str
    higher_is_better: bool
    factor: float = 100.0
    unit: str = "%"

    def in_units(self, value: float) -> float:
        """s3prl's own number as the papers print it."""
        return value * self.factor

    def as_dict(self) -> dict[str, Any]:
        """For a record, whose numbers times `factor` are in `unit`."""
        return {
            "metric": self.key,
            "higher_is_better": self.higher_is_better,
            "factor": self.factor,
            "unit": self.unit,
        }


@dataclass(frozen=True)
class Selection:
    """What s3prl keeps its best checkpoint by: the `metric` (a key of ``scores.jsonl``) of evaluations on `split`.

    The first of equally good steps counts.  A step must be better than `floor`, else s3prl saves no best checkpoint.
    """

    split: str
    metric: str
    higher_is_better: bool
    floor: float
    checkpoint: str


@dataclass(frozen=True)
class Task:
    """A task of SUPERB.

    `downstream` is s3prl's ``-d``, `recipe` a file in ``recipes/superb``.  `metrics` are the published ones, the first being
    the task's main one, read from `test_split` (s3prl's ``-t``).  `selection` is None where nothing is chosen on a
    development split: ASV has none (the best of its ``states-*.ckpt`` on test is reported, official protocol), QbE doesn't
    train.  `variants` are runs whose test scores are averaged: a name and what ``-o`` sets for it.  `trains` is False where
    layers of the upstream are evaluated one by one (``-l``), the best on `dev_split` being reported on `test_split`.
    `corpora` are the environment variables that the recipe's paths use.
    """

    name: str
    title: str
    downstream: str
    recipe: str
    metrics: tuple[Metric, ...]
    selection: Selection | None
    corpora: tuple[str, ...]
    dev_split: str | None = "dev"
    test_split: str = "test"
    variants: Mapping[str, str] = field(default_factory=dict)
    trains: bool = True

    @property
    def main(self) -> Metric:
        """The metric that the task is known by."""
        return self.metrics[0]


def _accuracy(
    name: str, title: str, downstream: str, column: str, corpora: tuple[str, ...], **more: Mapping[str, str]
) -> Task:
    """A task of one label for an utterance: KS, IC, SID and ER."""
    selection = Selection("dev", "acc", True, 0.0, "dev-best.ckpt")
    return Task(name, title, downstream, f"{name}.yaml", (Metric("acc", column, True),), selection, corpora, **more)


_FOLDS = {f"fold{k}": f"config.downstream_expert.datarc.test_fold='fold{k}'" for k in range(1, 6)}

_ALL = (
    Task(
        "pr",
        "Phoneme recognition",
        "ctc",
        "pr.yaml",
        (Metric("per", "PR_PER", False),),
        Selection("dev", "per", False, float(1 << 31), "dev-best.ckpt"),
        ("LIBRISPEECH", "SUPERB"),
    ),
    Task(
        "asr",
        "Speech recognition",
        "asr",
        "asr.yaml",
        (Metric("wer", "ASR_WER", False, factor=1.0),),
        Selection("dev-clean", "wer", False, 100.0, "dev-clean-best.ckpt"),
        ("LIBRISPEECH", "SUPERB"),
        dev_split="dev-clean",
        test_split="test-clean",
    ),
    Task(
        "asr_zh",
        "Speech recognition, Mandarin",
        "ctc",
        "asr_zh.yaml",
        (Metric("cer", "ASR_zh_CER", False),),
        Selection("dev", "cer", False, float(1 << 31), "dev-best.ckpt"),
        ("SUPERB",),
    ),
    _accuracy("ks", "Keyword spotting, 12 classes", "speech_commands", "KS_ACC", ("SPEECH_COMMANDS",)),
    _accuracy("ks35", "Keyword spotting, 35 words", "speech_commands", "KWS35_ACC", ("SUPERB",)),
    _accuracy("ic", "Intent classification", "fluent_commands", "IC_ACC", ("FLUENT_COMMANDS",)),
    Task(
        "sf",
        "Slot filling",
        "ctc",
        "sf.yaml",
        (Metric("slot_type_f1", "SF_F1", True), Metric("slot_value_cer", "SF_CER", False)),
        Selection("dev", "slot_type_f1", True, 0.0, "dev-best.ckpt"),
        ("SNIPS", "SUPERB"),
    ),
    _accuracy("sid", "Speaker identification", "voxceleb1", "SID_ACC", ("VOXCELEB1", "SUPERB")),
    Task(
        "asv",
        "Speaker verification",
        "sv_voxceleb1",
        "asv.yaml",
        (Metric("EER", "ASV_EER", False),),
        None,
        ("VOXCELEB1", "SUPERB"),
        dev_split=None,
    ),
    Task(
        "sd",
        "Speaker diarization",
        "diarization",
        "sd.yaml",
        (Metric("DER", "SD_DER", False),),
        Selection("dev", "acc", True, 0.0, "best-states-dev.ckpt"),
        ("SUPERB",),
    ),
    _accuracy("er", "Emotion recognition", "emotion", "ER_ACC", ("IEMOCAP", "SUPERB"), variants=_FOLDS),
    Task(
        "qbe",
        "Query by example",
        "quesst14_dtw",
        "qbe.yaml",
        (Metric("MTWV", "QbE_MTWV", True, factor=1.0, unit=""),),
        None,
        ("QUESST14",),
        trains=False,
    ),
)

_OTHER_CORPORA = {"snips": "sf", "common_voice": "asr_zh"}
"""The corpora of s3prl's ``ctc`` that aren't PR's."""

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
"""By name, which is also that of its recipe."""


def get_task(name: str) -> Task:
    """The task called `name`; ConfigError with the known names if there is none."""
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]


def task_of(downstream: str, config: Mapping[str, Any]) -> Task | None:
    """The task that a run of s3prl is, by its ``-d`` and its configuration; None for one that isn't in the table."""
    expert = config.get("downstream_expert") or {}
    if downstream == "ctc":
        corpus = str((expert.get("corpus") or {}).get("name", "")).lower()
        return TASKS[_OTHER_CORPORA.get(corpus, "pr")] if corpus in ("libriphone", *_OTHER_CORPORA) else None
    if downstream == "speech_commands":
        return TASKS["ks35" if (expert.get("datarc") or {}).get("classes") else "ks"]
    return next((task for task in _ALL if task.downstream == downstream), None)

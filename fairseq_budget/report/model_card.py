"""The model card, README.md of an exported model: what it is, what it took, what it was trained on, what it is worth.

Sections and the block at the head are those of Hugging Face's hub (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from fairseq_budget import __version__
from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import CURRENCIES, show_amounts
from fairseq_budget.objectives import get_objective
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.records.results import Result

LIMITS = """\
- Audio must be mono, at 16 kHz, {normalised}.
- Give it one utterance at a time, or batches without padding, where the first convolution has a group norm
  (`"feat_extract_norm": "group"` in `config.json`): transformers takes padding into its statistics, so that features of the
  shorter utterances of a batch aren't those of the same utterances alone.
- It was trained on the speech named above; what it makes of other languages, accents, ages and recordings is unknown unless
  it stands under Evaluation.
"""

NORMALISED = "normalised by the feature extractor (which adds 1e-7 to the variance, where training added 1e-5)"

CONTINUING = """\
`Wav2Vec2ForPreTraining` continues pre-training, with `mask_time_prob={mask_prob}` and `mask_time_length={mask_length}` as in
training. Its loss has no penalty on the features ({penalty:g} times their mean square here), and it draws codewords for all
frames, not for masked ones alone.
"""


@dataclass(frozen=True)
class Model:
    """What is exported, apart from its run: its class of transformers, its shape and how its waves are prepared."""

    objective: str
    class_name: str
    shape: str
    normalize: bool
    updates: int
    continuing: Mapping[str, float] | None = None
    """Masking and the penalty's weight, of a model whose pre-training transformers continues."""


def model_card(
    model: Model, record: PretrainingRecord | None, results: Sequence[Result] = (), licence: str | None = None
) -> str:
    """The card in Markdown; what no record tells is said to be unknown."""
    title = get_objective(model.objective).title
    name = f"{title}, {record.size}" if record is not None and record.size else f"{title}, {model.shape}"
    sections = {
        f"# {name}": _what(model, title),
        "## Training": "\n".join(f"- {line}" for line in _training(model, record)) + "\n",
        "## Evaluation": _evaluation(results),
        "## Limits": LIMITS.format(normalised=NORMALISED if model.normalize else "not normalised"),
        "## Licence": _licence(licence),
        "## Made by": "\n".join(f"- {line}" for line in _origin(record)) + "\n",
    }
    if model.continuing is not None:
        sections["## Pre-training goes on"] = CONTINUING.format(**model.continuing)
    return _head(licence) + "\n".join(f"{heading}\n\n{text}" for heading, text in sections.items())


def _head(licence: str | None) -> str:
    entries = {"library_name": "transformers", "pipeline_tag": "feature-extraction", "tags": ["speech", "fairseq-budget"]}
    return f"---\n{yaml.safe_dump(entries | ({'license': licence} if licence else {}), sort_keys=False)}---\n\n"


def _what(model: Model, title: str) -> str:
    return (
        f"{title} ({model.shape}), pre-trained on a compute budget: features of speech, or the beginning of fine-tuning.\n\n"
        f"    from transformers import AutoFeatureExtractor, {model.class_name}\n\n"
        f'    model = {model.class_name}.from_pretrained("...")  # this folder, or its repository\n'
        f'    prepare = AutoFeatureExtractor.from_pretrained("...")\n'
    )


def _training(model: Model, record: PretrainingRecord | None) -> Iterator[str]:
    if record is None:
        yield f"{numbers.count(model.updates)} updates"
        yield "Budget, data and losses are unknown: no record of this checkpoint lay beside it"
        return
    yield f"Budget: {show_amounts(record.budget)}; {numbers.percent(record.share)} of it is spent"
    amounts = record.amounts_spent
    spent = ", ".join(currency.show(amounts[name]) for name, currency in CURRENCIES.items() if name in amounts)
    yield f"Spent: {spent} (FLOPs: {record.flops_convention or 'as fairseq-budget counts them'})"
    hours = math.nan if record.data.hours is None else record.data.hours
    yield f"Data: {numbers.hours(hours)} of speech{_digests(record)}"
    for kind, value in (("Training", record.metrics.train_loss), ("Validation", record.metrics.valid_loss)):
        if value is not None:
            yield f"{kind} loss: {numbers.loss(value)} {record.loss_unit or ''}"
    yield f"Front end: {record.frontend}; {numbers.params(record.params)} parameters; seed {record.seed}; {record.device}"


def _digests(record: PretrainingRecord) -> str:
    digests = (record.data.model_extra or {}).get("digests")
    train = digests.get("train") if isinstance(digests, dict) else None
    return f", manifest rows with SHA-256 `{train}`" if train else ""


def _evaluation(results: Sequence[Result]) -> str:
    if not results:
        return "None was given. `fairseq-budget superb` evaluates a checkpoint on SUPERB.\n"
    from fairseq_budget.report.superb import formats, score, table  # pandas takes a second to import

    return formats.markdown(table.collate(results, [], score.read_scale(None)))


def _licence(licence: str | None) -> str:
    if licence:
        return f"{licence}\n"
    return "None was named (`--licence`). What a model may be used for can depend on the licence of the speech behind it.\n"


def _origin(record: PretrainingRecord | None) -> Iterator[str]:
    yield f"fairseq-budget {__version__}"
    if record is not None:
        software = ", ".join(f"{package} {version}" for package, version in record.versions.items())
        yield f"trained at revision `{record.git or 'unknown'}`, with {software}"
        if record.command:
            yield f"by the command `{record.command}`"

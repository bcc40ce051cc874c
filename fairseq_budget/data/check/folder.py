"""Checking a folder of manifests as a whole, and writing one without the rows that were bad."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairseq_budget.data.check.across import check_duplicates, check_speakers
from fairseq_budget.data.check.audio import Limits, check_audio
from fairseq_budget.data.check.findings import Findings
from fairseq_budget.data.check.labels import LabelCounts, LabelFolder, check_labels, lines_of
from fairseq_budget.data.label_record import RECORD_NAME, LabelRecord, read_record
from fairseq_budget.data.labels import DICTIONARY_NAME
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.speakers import LIBRISPEECH_RULE
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic, sha256


@dataclass(frozen=True)
class CheckSettings:
    """What is checked, and how: the first split is the one to train on; `workers` are processes."""

    splits: Sequence[str] = ("train", "valid")
    limits: Limits = Limits()
    labels: LabelFolder | None = None
    label_rate: float | None = None
    speaker_rule: str = LIBRISPEECH_RULE
    strict: bool = False
    workers: int = 1


@dataclass(frozen=True)
class Report:
    """What came of it: by split, the manifests that could be read, their speakers (None: unknown) and labels."""

    manifests: dict[str, Manifest]
    findings: Findings
    speakers: dict[str, int | None]
    labels: dict[str, LabelCounts]


def check_folder(folder: Path, settings: CheckSettings) -> Report:
    """Check `folder`/SPLIT.tsv of each split, the audio that they list, and labels.

    Raises:
        BudgetError: there's no manifest at all, or settings make no sense.
    """
    settings.limits.validate()
    findings = Findings(settings.strict)
    if not any((folder / f"{split}.tsv").is_file() for split in settings.splits):
        named = ", ".join(f"{split}.tsv" for split in settings.splits)
        raise BudgetError(f"`{folder}` has no {named}: name the folder that `fairseq-budget manifest` wrote")
    manifests: dict[str, Manifest] = {}
    for split in settings.splits:
        try:
            manifests[split] = Manifest.read(folder / f"{split}.tsv")
        except BudgetError as error:
            findings.add("manifest", split, None, str(error))
    speakers = check_speakers(manifests, settings.speaker_rule, findings)
    labels = {}
    if settings.labels is not None:
        labels = check_labels(settings.labels, manifests, settings.splits[0], settings.label_rate, findings)
    digests = {
        split: check_audio(split, manifest, settings.limits, findings, settings.workers)
        for split, manifest in manifests.items()
    }
    if digests:
        check_duplicates(digests, manifests, findings)
    return Report(manifests, findings, speakers, labels)


def write_clean(report: Report, folder: Path, out: Path, labels: LabelFolder | None) -> dict[str, int]:
    """Write manifests of the rows without errors to `out`, and their labels beside them; the rows left out, by split.

    Raises:
        BudgetError: `out` is the folder that was checked, some errors don't belong to rows, or no row would be left.
    """
    if out.absolute().resolve() == folder.absolute().resolve():
        raise BudgetError(f"`{out}` is the folder that was checked: name another one with `--fix`")
    if beyond := report.findings.beyond_rows():
        raise BudgetError(f"leaving rows out doesn't mend {', '.join(beyond)} (see above): mend that first, then `--fix`")
    kept = {}
    for split, manifest in report.manifests.items():
        kept[split] = np.setdiff1d(np.arange(len(manifest)), report.findings.bad_rows(split))
        if not len(kept[split]):
            raise BudgetError(f"every row of {split}.tsv has an error (see above): nothing would be left")
    for split, rows in kept.items():
        manifest = report.manifests[split]
        header = manifest.header and manifest.header | {"left out": f"{len(manifest) - len(rows)} rows by a check"}
        manifest.subset(rows).write(out / f"{split}.tsv", header)
    if labels is not None:
        _write_labels(report, kept, labels, LabelFolder(out, labels.ending))
    return {split: len(report.manifests[split]) - len(rows) for split, rows in kept.items()}


def _write_labels(report: Report, kept: dict[str, np.ndarray], old: LabelFolder, new: LabelFolder) -> None:
    """Keep label files in step with their manifests, and the record in step with both."""
    record = read_record(old.folder)
    for split, rows in kept.items():
        with atomic(new.text(split)) as partial, partial.open("wb") as file:
            file.writelines(lines_of(old.text(split), rows))
        if record is not None:
            _describe(record, split, new, len(report.manifests[split]) - len(rows))
    shutil.copyfile(old.folder / DICTIONARY_NAME, new.folder / DICTIONARY_NAME)
    if record is not None:
        LabelRecord(new.folder / RECORD_NAME, record.content).write()


def _describe(record: LabelRecord, split: str, new: LabelFolder, left_out: int) -> None:
    """What the record says of a split whose rows are fewer now; its counts are still those of all rows."""
    manifest = new.folder / f"{split}.tsv"
    known = {
        "manifest": sha256(manifest),
        "manifest_rows": Manifest.read(manifest).digest,
        "text_sha256": sha256(new.text(split)),
        "left_out": left_out,
    }
    record.content["splits"] = {**record.splits, split: {**record.splits[split], **known}}

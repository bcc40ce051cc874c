"""``fairseq-budget check``: what is wrong with manifests, audio and labels, before hours are spent on them."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fairseq_budget.cli.lists import names_in

if TYPE_CHECKING:
    from fairseq_budget.data.check.findings import Finding
    from fairseq_budget.data.check.folder import Report
    from fairseq_budget.data.check.labels import LabelCounts


def check(
    data_dir: Annotated[Path, typer.Argument(help="Folder with train.tsv and valid.tsv.")],
    splits: Annotated[
        str, typer.Option(help="Manifests, comma-separated; the first is the one to train on.")
    ] = "train,valid",
    labels: Annotated[
        str | None, typer.Option(help="Label files are SPLIT.LABELS (default: km, if there are any labels).")
    ] = None,
    label_dir: Annotated[Path | None, typer.Option(help="Folder of the labels (default: DATA_DIR).")] = None,
    label_rate: Annotated[float | None, typer.Option(help="Labels per second (default: as labels.json says).")] = None,
    min_seconds: Annotated[float, typer.Option(help="Shorter is mentioned; the recipes leave it out.")] = 2.0,
    max_seconds: Annotated[float, typer.Option(help="Longer is mentioned; the recipes crop it.")] = 15.625,
    silence_db: Annotated[float, typer.Option(help="Quieter is silence, in decibels below full scale.")] = -60.0,
    clipped_percent: Annotated[float, typer.Option(help="More samples at full scale are mentioned.")] = 1.0,
    speaker_rule: Annotated[
        str | None, typer.Option(help="Regular expression whose group is the speaker (default: LibriSpeech's names).")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    fix: Annotated[Path | None, typer.Option(help="Write manifests and labels without the bad rows to this folder.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that decode audio (default: all cores).")] = None,
    show: Annotated[int, typer.Option(help="So many of each kind of problem are printed.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every problem, and nothing else.")] = False,
) -> None:
    """Read every file that the manifests in DATA_DIR list, compare them with each other and with labels, and report.

    Exit status 1 if there are errors (with --fix: errors that leaving rows out doesn't mend), 0 if not.

    Example: fairseq-budget check manifests/librispeech_960h
    """
    from joblib import cpu_count

    from fairseq_budget.data.check.audio import Limits
    from fairseq_budget.data.check.findings import ERROR
    from fairseq_budget.data.check.folder import CheckSettings, check_folder, write_clean
    from fairseq_budget.data.check.labels import LabelFolder
    from fairseq_budget.data.speakers import LIBRISPEECH_RULE

    folder, names = LabelFolder(label_dir or data_dir, labels or "km"), names_in(splits)
    settings = CheckSettings(
        splits=names,
        limits=Limits(min_seconds, max_seconds, silence_db, clipped_percent),
        labels=folder if labels or label_dir or folder.exists(names) else None,
        label_rate=label_rate,
        speaker_rule=speaker_rule or LIBRISPEECH_RULE,
        strict=strict,
        # joblib counts the cores that this process may use, not those of the machine
        workers=cpu_count() if workers is None else workers,
    )
    report = check_folder(data_dir, settings)
    if as_json:
        _print_json(report)
    else:
        _print(report, show)
    errors = bool(report.findings.kinds(ERROR))
    if fix is not None:
        left_out = write_clean(report, data_dir, fix, settings.labels)
        typer.echo(f"{fix}: " + ", ".join(f"{split} without {count} rows" for split, count in left_out.items()), err=as_json)
        errors = False
    raise typer.Exit(int(errors))


def _print(report: Report, show: int) -> None:
    from fairseq_budget.data.check.findings import ERROR, KINDS, WARNING

    console = Console(soft_wrap=True, highlight=False)
    if report.manifests:
        console.print(_overview(report))
    findings = report.findings
    for level, colour in ((ERROR, "red"), (WARNING, "yellow")):
        for kind in findings.kinds(level):
            count = findings.count(kind)
            console.print(f"[{colour}]{level}:[/] {KINDS[kind].title} ({count:,}): {KINDS[kind].remedy}")
            for finding in islice(findings.of(kind), show):
                console.print("    " + escape(_line(report, finding)))
            if count > show:
                console.print(f"    and {count - show:,} more (`--json` names all)")
    counts = {level: sum(map(findings.count, findings.kinds(level))) for level in (ERROR, WARNING)}
    console.print(", ".join(f"{count:,} {level}{'s' * (count != 1)}" for level, count in counts.items()))


def _overview(report: Report) -> Table:
    """A column for each split."""
    columns = {split: _figures(split, report) for split in report.manifests}
    table = Table("", *columns)
    for name in next(iter(columns.values())):
        row = [column[name] for column in columns.values()]
        if any(row):
            table.add_row(name, *row)
    return table


def _figures(split: str, report: Report) -> dict[str, str]:
    """What there is of a split, by name."""
    from fairseq_budget.data.audio import SAMPLE_RATE

    manifest, speakers, labels = report.manifests[split], report.speakers[split], report.labels.get(split)
    seconds = manifest.frames / SAMPLE_RATE
    return {
        "utterances": f"{len(manifest):,}",
        "hours": f"{manifest.hours:.3f}",
        "seconds": f"{seconds.min():.2f} to {seconds.max():.2f}",
        "speakers": "unknown" if speakers is None else f"{speakers:,}",
        "labels used": f"{int((labels.histogram > 0).sum())} of {len(labels.histogram)}" if labels else "none",
        "perplexity of labels": f"{labels.perplexity:.1f}" if labels else "",
        "unknown labels": f"{100 * labels.unknown_share:.2g}%" if labels else "",
    }


def _line(report: Report, finding: Finding) -> str:
    """One finding with its place."""
    from fairseq_budget.data.check.across import place_of

    if finding.row is None or finding.split is None:
        return finding.detail if finding.split is None else f"{finding.split}: {finding.detail}"
    return ": ".join(filter(None, (place_of(report.manifests, finding.split, finding.row), finding.detail)))


def _print_json(report: Report) -> None:
    """One problem a line: a corpus may have as many as it has rows."""
    from fairseq_budget.data.check.findings import KINDS

    findings = report.findings
    splits = {
        split: {
            "utterances": len(manifest),
            "hours": manifest.hours,
            "speakers": report.speakers[split],
            **(_labels_as_json(report.labels[split]) if split in report.labels else {}),
        }
        for split, manifest in report.manifests.items()
    }
    counts = {kind: findings.count(kind) for kind in KINDS if findings.count(kind)}
    print(f'{{"splits": {json.dumps(splits)},\n "counts": {json.dumps(counts)},\n "problems": [', end="")
    comma = ""
    for kind in counts:
        for finding in findings.of(kind):
            problem = {"kind": kind, "level": findings.level(kind), "split": finding.split, **_place(report, finding)}
            print(f"{comma}\n  {json.dumps(problem | {'detail': finding.detail})}", end="")
            comma = ","
    print("]}")


def _labels_as_json(labels: LabelCounts) -> dict[str, Any]:
    return {
        "label_histogram": labels.histogram.tolist(),
        "label_unknown_share": labels.unknown_share,
        "label_perplexity": labels.perplexity,
    }


def _place(report: Report, finding: Finding) -> dict[str, Any]:
    if finding.split is None or finding.row is None:
        return {"line": None, "file": None}
    manifest = report.manifests[finding.split]
    return {"line": manifest.first_line + finding.row, "file": str(manifest.audio_path(finding.row))}

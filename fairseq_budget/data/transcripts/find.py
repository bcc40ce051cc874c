"""Transcripts of a manifest's utterances: LibriSpeech's, which lie beside the audio, or a Kaldi `text` file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fairseq_budget.data.archives.index import member_of
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError

ENDING = ".trans.txt"
"""Of LibriSpeech's files, one in the folder of each chapter: `NAME WORDS` a line."""


def find_transcripts(manifest: Manifest, text: Path | None = None) -> Iterator[str]:
    """The words of each utterance, in the manifest's order, single spaces between them.

    Args:
        manifest: of whole files: what is said in a part of one isn't known.
        text: a Kaldi `text` file, `NAME WORDS` a line; by default the files of LibriSpeech beside the audio.  NAME is that
            of the audio file, or of the archive's member, without its ending.

    Raises:
        BudgetError: an utterance is no whole file or has no transcript, a transcript is empty, or a file can't be read;
            names the line.
    """
    known: dict[Path, dict[str, str]] = {}
    everywhere = None if text is None else _read(text)
    for index in range(len(manifest)):
        (first, *others) = manifest.parts(index)
        if others or not first.whole:
            raise BudgetError(
                f"{manifest.where(index)}: a part of a file, whose words nobody knows: transcripts belong to whole files"
            )
        stem = PurePosixPath(member_of(manifest.root / first.name) or first.name).stem
        folder = (manifest.root / first.name).parent
        if everywhere is None and folder not in known:
            known[folder] = _read_folder(folder)
        words = (known[folder] if everywhere is None else everywhere).get(stem)
        if not words:
            looked = f"`{text}`" if text else f"a file `*{ENDING}` of `{folder}`"
            told = "has no transcript" if words is None else "has an empty transcript"
            raise BudgetError(
                f"{manifest.where(index)}: `{stem}` {told} in {looked}: name a Kaldi `text` file with `--text`"
            )
        yield words


def _read_folder(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(folder.glob(f"*{ENDING}")):
        found |= _read(path)
    return found


def _read(path: Path) -> dict[str, str]:
    """Words by name."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetError(f"transcripts `{path}` can't be read ({error}): correct the path or the file") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not (fields := line.split()):
            continue
        name, *words = fields
        if name in found:
            raise BudgetError(f"`{path}`, line {number}: `{name}` was there before: keep one of its transcripts")
        found[name] = " ".join(words)
    return found

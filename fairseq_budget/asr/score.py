"""Error rates of a recogniser on the splits of a folder, by the best path of its units and by words with a word model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairseq_budget.asr.recogniser import Recogniser
from fairseq_budget.asr.words import WordDecoder
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.transcripts.find import find_transcripts
from fairseq_budget.files import atomic
from fairseq_budget.records.recognition import Recognised

WORDS = "words"


def recognise(
    recogniser: Recogniser, manifest: Manifest, split: str, decoder: WordDecoder | None, text: Path | None, out: Path | None
) -> list[Recognised]:
    """Error rates on a split, one result for each way to decode: by the model's units, by name, and by words.

    With `out`, what was heard is written there beside what was said, as `<split>.<decoder>.txt`.

    Raises:
        BudgetError: audio or a transcript is missing.
    """
    meant = list(find_transcripts(manifest, text))
    best_path = recogniser.alphabet.units.name
    heard = {name: [""] * len(meant) for name in (best_path, *([] if decoder is None else [WORDS]))}
    for said in recogniser.emissions(manifest):
        heard[best_path][said.index] = said.text
        if decoder is not None:
            heard[WORDS][said.index] = decoder.decode(said.logs)
    if out is not None:
        for name, lines in heard.items():
            _write(out / f"{split}.{name}.txt", meant, lines)
    return [_score(split, name, meant, lines, manifest.hours) for name, lines in heard.items()]


def _score(split: str, decoder: str, meant: Sequence[str], heard: Sequence[str], hours: float) -> Recognised:
    import jiwer

    return Recognised(
        set=split,
        decoder=decoder,
        wer=100 * jiwer.wer(list(meant), list(heard)),
        cer=100 * jiwer.cer(list(meant), list(heard)),
        utterances=len(meant),
        words=sum(len(line.split()) for line in meant),
        hours=hours,
    )


def _write(path: Path, meant: Sequence[str], heard: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(f"{said}\t{found}\n" for said, found in zip(meant, heard, strict=True))

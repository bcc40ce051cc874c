"""``fairseq-budget asr``: transcripts for CTC fine-tuning, a word model, and error rates of what was fine-tuned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fairseq_budget.cli.lists import names_in
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.data.transcripts.find import ENDING
from fairseq_budget.records.base import FILE

app = typer.Typer(
    help="Recognise speech: transcripts and a word model for `--config-name finetune`, error rates of what came of it.",
    no_args_is_help=True,
)

DataDir = Annotated[Path, typer.Argument(help="Folder with a manifest for each split.")]
TextFile = Annotated[
    Path | None,
    typer.Option("--text", help=f"Kaldi `text` file, `NAME WORDS` a line (default: *{ENDING} beside the audio)."),
]


@app.command()
def transcripts(
    data_dir: DataDir,
    splits: Annotated[
        str, typer.Option(help="Manifests, comma-separated; the first one decides which units there are.")
    ] = "train,valid",
    units: Annotated[str, typer.Option(help="letters, or sentencepiece: pieces of a model trained on the first split.")] = (
        "letters"
    ),
    vocabulary: Annotated[int, typer.Option(help="Pieces of the sentencepiece model.")] = 100,
    text: TextFile = None,
) -> None:
    """Write the words and units of each split, and the dictionary, as fairseq's fine-tuning reads them.

    Example: fairseq-budget asr transcripts manifests/librispeech_10h
    """
    from fairseq_budget.data.transcripts.folder import check_splits, make_transcripts

    names = names_in(splits)
    check_splits(names)
    made = make_transcripts(data_dir, names, units, vocabulary, text)
    for split, told in made.splits.items():
        unknown = f", {told['unknown_units']} unknown" if told["unknown_units"] else ""
        print(
            f"{data_dir / split}.{made.units.ending}: {told['utterances']} utterances, {told['hours']:.2f} h, "
            f"{told['words']} words, {told['units']} units{unknown}"
        )
    print(f"{data_dir}/dict.{made.units.ending}.txt: {len(made.symbols)} units")


@app.command()
def lm(
    data_dir: DataDir,
    out: Annotated[Path, typer.Option(help="The ARPA file to write.")],
    split: Annotated[str, typer.Option(help="Whose transcripts.")] = "train",
    order: Annotated[int, typer.Option(help="Words of an n-gram.")] = 4,
    text: TextFile = None,
) -> None:
    """Make a word model of a split's transcripts: n-grams with Witten-Bell smoothing, as an ARPA file.

    LibriSpeech has its own at openslr.org/11, which paper C decodes with.

    Example: fairseq-budget asr lm manifests/librispeech_10h --out lm/4gram.arpa
    """
    from fairseq_budget.asr.ngram import WittenBell
    from fairseq_budget.data.manifest import Manifest
    from fairseq_budget.data.transcripts.find import find_transcripts

    model = WittenBell(find_transcripts(Manifest.read(data_dir / f"{split}.tsv"), text), order)
    model.write(out)
    print(f"{out}: {', '.join(f'{len(grams)} {n}-grams' for n, grams in enumerate(model.counts, 1))}")


@app.command()
def score(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of `--config-name finetune`.")],
    data_dir: DataDir,
    splits: Annotated[str, typer.Option(help="Manifests, comma-separated.")] = "valid",
    lm: Annotated[Path | None, typer.Option(help="Word model: ARPA file or KenLM binary; none: the units alone.")] = None,
    words: Annotated[Path | None, typer.Option(help="List of words (default: those of the ARPA file).")] = None,
    beam: Annotated[int, typer.Option(help="Hypotheses that are kept.")] = 50,
    threshold: Annotated[float, typer.Option(help="How far below the best a hypothesis may score.")] = 50.0,
    lm_weight: Annotated[float | None, typer.Option(help="Weight of the word model (default: 2; of pieces, 0.5).")] = None,
    word_score: Annotated[float | None, typer.Option(help="Score of inserting a word (default: 0; of pieces, 2).")] = None,
    text: TextFile = None,
    out: Annotated[Path | None, typer.Option(help="Folder for record.json and what was heard.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 (default: a GPU if there is one).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Word and character error rates on some splits, by letters or pieces and, with `--lm`, by words (flashlight's beam
    search).

    Example: fairseq-budget asr score asr-10h/checkpoints/checkpoint_best.pt manifests/librispeech --splits test-clean
    """
    from fairseq_budget.asr.recogniser import Recogniser
    from fairseq_budget.asr.score import recognise
    from fairseq_budget.asr.words import BeamSettings, WordDecoder
    from fairseq_budget.data.manifest import Manifest
    from fairseq_budget.data.transcripts.folder import check_splits
    from fairseq_budget.planning.machine import open_device

    names = names_in(splits)
    check_splits(names)
    manifests = {split: Manifest.read(data_dir / f"{split}.tsv") for split in names}
    recogniser = Recogniser(checkpoint, open_device(device))
    settings = BeamSettings.of(recogniser.alphabet.units.name, beam, threshold, lm_weight, word_score)
    decoder = None if lm is None else WordDecoder(recogniser.alphabet, lm, words, settings)
    found = [result for split in names for result in recognise(recogniser, manifests[split], split, decoder, text, out)]
    if out is not None:
        _record(recogniser, found, lm, decoder).write(out / FILE)
    if as_json:
        print(json.dumps([result.model_dump() for result in found], indent=1))
    else:
        _print(found)


def _record(recogniser: Any, found: list[Any], lm: Path | None, decoder: Any) -> Any:
    from fairseq_budget.files import sha256
    from fairseq_budget.records.provenance import given_command, versions
    from fairseq_budget.records.recognition import RecognitionRecord

    size = recogniser.pretrained.size
    return RecognitionRecord.of(
        objective=recogniser.began_from,
        size=size.name if size else None,
        checkpoint=str(recogniser.checkpoint.resolve()),
        checkpoint_sha256=recogniser.sha256,
        word_model=None if lm is None else {"path": str(lm.resolve()), "sha256": sha256(lm), **decoder.told},
        results=found,
        versions=versions(("torch", "numpy", "jiwer")),
        command=given_command(),
    )


def _print(found: list[Any]) -> None:
    table = plain_table("set", "decoder", "WER", "CER", "utterances", "hours", left=2)
    for one in found:
        table.add_row(one.set, one.decoder, f"{one.wer:.2f}%", f"{one.cer:.2f}%", str(one.utterances), f"{one.hours:.2f}")
    output().print(table)

"""Speech recognition in Mandarin, on Common Voice."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from s3prl_upstreams.tasks import ctc
from s3prl_upstreams.tasks.base import Config, Metric, ModelSelection, Task
from s3prl_upstreams.tasks.listing import Listing, lines, write


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """Tables with a header, of path and sentence."""
    for table in map(Path, ctc.of_splits(expert, splits)):
        names = tuple(line.partition("\t")[0] for line in lines(table)[1:])
        yield Listing(table, (Path(expert["corpus"]["path"]),), names)


def _leave_out(expert: Config, folder: Path) -> None:
    corpus = expert["corpus"]
    for split in ("train", "dev", "test"):
        for place, table in enumerate(map(Path, corpus[split])):
            header, *rows = lines(table)
            kept = [row for row in rows if Path(corpus["path"], row.partition("\t")[0]).is_file()]
            corpus[split][place] = str(write(folder / table.name, "".join(f"{line}\n" for line in (header, *kept))))


TASK = Task(
    "asr_zh",
    "Speech recognition, Mandarin",
    "ctc",
    "asr_zh.yaml",
    (Metric("cer", "ASR_zh_CER", False),),
    ModelSelection("dev", "cer", False, float(1 << 31), "dev-best.ckpt"),
    ("SUPERB",),
    paths={
        "corpus.path": Path.is_dir,
        "corpus.train": Path.is_file,
        "corpus.dev": Path.is_file,
        "corpus.test": Path.is_file,
        "text.vocab_file": Path.is_file,
    },
    lists=_lists,
    leave_out=_leave_out,
    fixes=ctc.FIXES,
    is_meant=ctc.of_corpus("common_voice"),
    seconds=4.0,
)

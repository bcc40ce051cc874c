"""Speech recognition on LibriSpeech."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from s3prl_upstreams.tasks import librispeech
from s3prl_upstreams.tasks.base import Config, Metric, ModelSelection, Task
from s3prl_upstreams.tasks.listing import Listing, column, keep_rows


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The buckets, of which s3prl only says that one is missing; what they name, and its transcripts."""
    datarc = expert["datarc"]
    root, buckets = Path(datarc["libri_root"]), Path(datarc["bucket_file"])
    parts = [part for split in splits for part in datarc.get(split) or ()]
    yield Listing("the recipe", (buckets,), tuple(f"{part}.csv" for part in parts), needed=True)
    yield from librispeech.speakers(root, parts)
    for part in parts:
        audio = column(buckets / f"{part}.csv", "file_path")
        yield Listing(buckets / f"{part}.csv", (root,), tuple(audio))
        yield Listing("the recordings' folders", (root,), tuple(dict.fromkeys(map(_transcripts, audio))))
        spoken = librispeech.transcribed(root, part)
        yield spoken
        # buckets that were made when less was there
        missing = frozenset(spoken.missing)
        there = tuple(name for name in spoken.names if name not in missing)
        yield Listing(spoken.source, (buckets / f"{part}.csv",), there, among=frozenset(audio))


def _transcripts(audio: str) -> str:
    """The transcripts that s3prl reads for a recording PART/SPEAKER/CHAPTER/NAME."""
    folder = Path(audio).parent
    return str(folder / f"{folder.parent.name}-{folder.name}.trans.txt")


def _leave_out(expert: Config, folder: Path) -> None:
    """Buckets without recordings that aren't there or have no transcripts."""
    datarc = expert["datarc"]
    root = Path(datarc["libri_root"])
    for bucket in Path(datarc["bucket_file"]).glob("*.csv"):
        keep_rows(
            bucket,
            folder / bucket.name,
            "file_path",
            lambda audio: (root / audio).is_file() and (root / _transcripts(audio)).is_file(),
        )
    datarc["bucket_file"] = str(folder)


TASK = Task(
    "asr",
    "Speech recognition",
    "asr",
    "asr.yaml",
    (Metric("wer", "ASR_WER", False, factor=1.0),),
    ModelSelection("dev-clean", "wer", False, 100.0, "dev-clean-best.ckpt"),
    ("LIBRISPEECH", "SUPERB"),
    dev_split="dev-clean",
    test_split="test-clean",
    paths={"datarc.libri_root": Path.is_dir, "datarc.bucket_file": Path.is_dir, "datarc.dict_path": Path.is_file},
    lists=_lists,
    leave_out=_leave_out,
    seconds=6.0,  # batches are halved, see asr.yaml
)

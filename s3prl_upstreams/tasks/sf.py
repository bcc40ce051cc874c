"""Slot filling on Audio SNIPS."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from s3prl_upstreams.tasks import ctc
from s3prl_upstreams.tasks.base import Config, Metric, ModelSelection, Task
from s3prl_upstreams.tasks.listing import Listing, lines

TEXTS = "all.iob.snips.txt"


def _lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """What the texts name SPEAKER-snips-PART-NUMBER, of each part's speakers; what isn't there is left out by itself.

    s3prl looks for recordings in folders of a part's folder, too.
    """
    root = Path(expert["corpus"]["path"])
    yield Listing("the corpus", (root,), (TEXTS, *ctc.of_splits(expert, splits)), needed=True)
    spoken = [line.split()[0] for line in lines(root / TEXTS)]
    for part in ctc.of_splits(expert, splits):
        speakers = tuple(expert["corpus"].get(f"{part}_speakers") or ())
        found = {path.stem: str(path.relative_to(root)) for path in (root / part).rglob("*.wav")}
        names = [name for name in spoken if name.startswith(speakers) and part in name.split("-")]
        yield Listing(root / TEXTS, (root,), tuple(found.get(name, f"{part}/{name}.wav") for name in names))


TASK = Task(
    "sf",
    "Slot filling",
    "ctc",
    "sf.yaml",
    (Metric("slot_type_f1", "SF_F1", True), Metric("slot_value_cer", "SF_CER", False)),
    ModelSelection("dev", "slot_type_f1", True, 0.0, "dev-best.ckpt"),
    ("SNIPS", "SUPERB"),
    paths={"corpus.path": Path.is_dir, "text.vocab_file": Path.is_file, "text.slots_file": Path.is_file},
    lists=_lists,
    fixes=ctc.FIXES,
    is_meant=ctc.of_corpus("snips"),
    seconds=2.0,
)

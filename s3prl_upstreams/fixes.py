"""What single tasks of s3prl 0.4.18 need besides `compat.py`: applied to a run's settings before its expert is made.

No file of s3prl is changed; the reason for each fix stands in its docstring.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import ctc_corpora

Config = dict[str, Any]


def apply(downstream: str, config: Config) -> None:
    """Put right what the task `downstream` (s3prl's ``-d``) needs, for the settings `config`."""
    for fix in FIXES.get(downstream, ()):
        fix(config)


def provide_corpora(config: Config) -> None:
    """PR and SF: the package on PyPI lacks their corpora's code (a folder without ``__init__.py``)."""
    ctc_corpora.provide()


def keep_worker_count(config: Config) -> None:
    """PR and SF: making a loader takes ``num_workers`` out of the settings, so that the next one falls back to 12."""
    expert = importlib.import_module("s3prl.downstream.ctc.expert")
    data = importlib.import_module("s3prl.downstream.ctc.data")
    expert.load_dataset = lambda split, tokenizer, corpus: data.load_dataset(split, tokenizer, dict(corpus))


def use_class_list(config: Config) -> None:
    """KS: its classes are a constant, and their number is another; ``datarc.classes`` replaces both (see ks35.yaml)."""
    dataset = importlib.import_module("s3prl.downstream.speech_commands.dataset")
    base = dataset.SpeechCommandsBaseDataset
    if not hasattr(base, "official_classes"):
        original = base.__init__

        def with_class_number(self: Any) -> None:
            original(self)
            self.class_num = len(dataset.CLASSES)
            self.class2index.setdefault("_silence_", -1)  # asked for with every item

        base.official_classes, base.__init__ = tuple(dataset.CLASSES), with_class_number
    # in place: the expert has imported the list itself
    dataset.CLASSES[:] = config["downstream_expert"]["datarc"].get("classes") or base.official_classes


def list_files_of_this_corpus(config: Config) -> None:
    """SID: the list of files, with absolute paths, is kept inside s3prl's package and used for every later corpus."""
    datarc = config["downstream_expert"]["datarc"]
    dataset = importlib.import_module("s3prl.downstream.voxceleb1.dataset")
    lists = Path(datarc["meta_data"])
    dataset.CACHE_PATH = str(_cache(lists.parent, datarc["file_path"], lists.read_bytes()))


def measure_lengths_of_this_corpus(config: Config) -> None:
    """ASV: the lengths of the training files are kept inside s3prl's package, too, under a name that is always the same.

    They are measured in 12 processes, each of which imports torch; threads do as well.
    """
    datarc = config["downstream_expert"]["datarc"]
    dataset = importlib.import_module("s3prl.downstream.sv_voxceleb1.dataset")
    wavs = Path(datarc["file_path"], "dev", "wav")
    speakers = "\n".join(sorted(entry.name for entry in wavs.iterdir()))
    folder = _cache(Path(datarc["test_meta_data"]).parent, str(wavs), speakers.encode())
    dataset.__file__ = str(folder / "dataset.py")  # its lengths lie in a folder beside it
    importlib.import_module("joblib").parallel_config(backend="threading")


def _cache(beside: Path, root: str, content: bytes) -> Path:
    """A folder `beside`/.cache/DIGEST for what was found out about the corpus in `root`, made if it isn't there."""
    digest = hashlib.sha256(os.fsencode(Path(root).resolve()) + b"\0" + content).hexdigest()[:16]
    folder = beside / ".cache" / digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BudgetError(f"`{folder}` can't be made ({error.strerror}): copy the lists to a folder of yours") from error
    return folder


FIXES: dict[str, tuple[Callable[[Config], None], ...]] = {
    "ctc": (provide_corpora, keep_worker_count),
    "speech_commands": (use_class_list,),
    "voxceleb1": (list_files_of_this_corpus,),
    "sv_voxceleb1": (measure_lengths_of_this_corpus,),
}
"""By the name of s3prl's task (``-d``)."""

"""What both keyword-spotting tasks share."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.keywords import KEYWORDS
from s3prl_upstreams.tasks.base import Config
from s3prl_upstreams.tasks.listing import Listing, lines, mirror

PATHS = {"datarc.speech_commands_root": Path.is_dir, "datarc.speech_commands_test_root": Path.is_dir}


def has_class_list(expert: Config) -> bool:
    """Whether a run brings a list of classes of its own."""
    return bool((expert.get("datarc") or {}).get("classes"))


def lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The corpus's own lists, and the folders of the classes; nothing of a folder that has no such lists.

    No list names the training recordings.  validation_list.txt lies beside the words (for 35 words, beside what the links
    lead to), testing_list.txt, too; the test set of v0.01 holds the recordings of the keywords in the latter.
    """
    train, test = Path(expert["datarc"]["speech_commands_root"]), Path(expert["datarc"]["speech_commands_test_root"])
    classes = tuple(expert["datarc"].get("classes") or KEYWORDS)
    corpus = next((word.resolve().parent for word in sorted(train.iterdir()) if word.is_symlink()), train)
    validation, testing = corpus / "validation_list.txt", corpus / "testing_list.txt"
    if not (validation.is_file() or testing.is_file()):
        return
    own = classes if has_class_list(expert) else (*classes, "_background_noise_")
    yield Listing("s3prl's list of classes", (train,), own, needed=True)
    if not {"train", "dev"}.isdisjoint(splits):
        yield Listing(validation, (train,), tuple(lines(validation)))
    if "test" in splits:
        own = classes if has_class_list(expert) else (*classes, "_unknown_", "_silence_")
        yield Listing("s3prl's list of classes", (test,), own, needed=True)
        yield Listing(testing, (test,), tuple(name for word in classes for name in _tested(testing, test, word)))


def _tested(testing: Path, folder: Path, word: str) -> list[str]:
    """The recordings of a word to test on; of the test set of v0.01 only the number is known to be that of the list."""
    named = [name for name in lines(testing) if name.startswith(f"{word}/")]
    found = [f"{word}/{path.name}" for path in sorted(folder.glob(f"{word}/*.wav")) if path.is_file()]
    return found[: len(named)] if len(found) >= len(named) else named


def leave_out(expert: Config, folder: Path) -> None:
    """s3prl takes what it finds, links that lead nowhere as well."""
    test = Path(expert["datarc"]["speech_commands_test_root"])
    for place in (entry for entry in test.iterdir() if entry.is_dir()):
        mirror(place, folder / place.name)
    expert["datarc"]["speech_commands_test_root"] = str(folder)


def a_whole_batch(args: Namespace, expert: Config) -> None:
    """KS drops its last, incomplete batch; with no complete one, s3prl would loop over nothing for ever."""
    if args.mode != "train":
        return
    root, size = expert["datarc"]["speech_commands_root"], expert["datarc"]["batch_size"]
    split_dataset = importlib.import_module("s3prl.downstream.speech_commands.expert").split_dataset
    items = len(split_dataset(root)[0]) + len(list(Path(root, "_background_noise_").glob("*.wav")))
    if items < size:
        raise BudgetError(
            f"`{root}` has {items} files for training, less than one batch of {size}: "
            f"add -o config.downstream_expert.datarc.batch_size={max(1, items)} or use a larger corpus"
        )


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

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


FOLDERS = "folders"
"""In place of a list of classes: they are the training folder's folders."""


def has_class_list(expert: Config) -> bool:
    """Whether a run brings a list of classes of its own."""
    return bool((expert.get("datarc") or {}).get("classes")) and not has_own_folders(expert)


def has_own_folders(expert: Config) -> bool:
    """Whether a run's classes are whatever folders there are."""
    return (expert.get("datarc") or {}).get("classes") == FOLDERS


def classes(expert: Config) -> list[str] | None:
    """The classes of a run that aren't the official twelve (None): its list, or its folders if they are others.

    A list says in which order the head has them.
    """
    listed = (expert.get("datarc") or {}).get("classes")
    if not listed:
        return None
    there = sorted(entry.name for entry in Path(expert["datarc"]["speech_commands_root"]).iterdir() if entry.is_dir())
    return there if listed == FOLDERS or set(there) != set(listed) else listed


def tested_classes_are_trained(args: Namespace, expert: Config) -> None:
    """s3prl would look for a class of the test folder among those of the training folder, and for `_silence_`."""
    trained = classes(expert) or []
    noise = next((name for name in trained if name.startswith("_")), None)
    if noise is not None:
        raise BudgetError(
            f"`{expert['datarc']['speech_commands_root']}/{noise}` is no word: make the folders with `fairseq-budget corpus "
            "superb ks35` or `keywords`, which leave it out"
        )
    for folder in sorted(entry for entry in Path(expert["datarc"]["speech_commands_test_root"]).iterdir() if entry.is_dir()):
        if folder.name not in trained:
            raise BudgetError(f"`{folder}` is to be tested, and nothing of it is trained: add it to the training folder")


def lists(expert: Config, splits: Collection[str]) -> Iterator[Listing]:
    """The corpus's own lists, and the folders of the classes; nothing of a folder that has no such lists.

    No list names the training recordings.  validation_list.txt lies beside the words (for 35 words, beside what the links
    lead to), testing_list.txt, too; the test set of v0.01 holds the recordings of the keywords in the latter.
    """
    train, test = Path(expert["datarc"]["speech_commands_root"]), Path(expert["datarc"]["speech_commands_test_root"])
    words = tuple(classes(expert) or KEYWORDS)
    corpus = next((word.resolve().parent for word in sorted(train.iterdir()) if word.is_symlink()), train)
    validation, testing = corpus / "validation_list.txt", corpus / "testing_list.txt"
    if not (validation.is_file() or testing.is_file()):
        return
    own = words if has_class_list(expert) else (*words, "_background_noise_")
    yield Listing("s3prl's list of classes", (train,), own, needed=True)
    if not {"train", "dev"}.isdisjoint(splits):
        yield Listing(validation, (train,), tuple(lines(validation)))
    if "test" in splits:
        own = words if has_class_list(expert) else (*words, "_unknown_", "_silence_")
        yield Listing("s3prl's list of classes", (test,), own, needed=True)
        yield Listing(testing, (test,), tuple(name for word in words for name in _tested(testing, test, word)))


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
    """KS: its classes are a constant, and their number is another; ``datarc.classes`` replaces both (see ks35.yaml).

    Where the folders are others than those of a list, the list is made theirs.
    """
    dataset = importlib.import_module("s3prl.downstream.speech_commands.dataset")
    base = dataset.SpeechCommandsBaseDataset
    if not hasattr(base, "official_classes"):
        original = base.__init__

        def with_class_number(self: Any) -> None:
            original(self)
            self.class_num = len(dataset.CLASSES)
            self.class2index.setdefault("_silence_", -1)  # asked for with every item

        base.official_classes, base.__init__ = tuple(dataset.CLASSES), with_class_number
    expert = config["downstream_expert"]
    own = classes(expert)
    if has_class_list(expert):
        expert["datarc"]["classes"] = own
    # in place: the expert has imported the list itself
    dataset.CLASSES[:] = own or base.official_classes

"""Where the corpora of SUPERB lie: environment variables, which the recipes' paths use, and where to get each corpus.

A corpus whose variable isn't set is looked for under ``$SUPERB``, by the folder name in the table; so one variable is enough
where everything lies, or is linked, in one folder.  ``$SUPERB/TASK`` holds what was prepared for a task.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

BASE = "SUPERB"
"""The variable of the folder for everything."""


@dataclass(frozen=True)
class CorpusPlace:
    """A corpus: its folder's name under ``$SUPERB``, what is in that folder, and where to get it."""

    folder: str
    content: str
    source: str


PLACES: dict[str, CorpusPlace] = {
    "LIBRISPEECH": CorpusPlace(
        "librispeech", "LibriSpeech's train-clean-100, dev-clean and test-clean", "https://www.openslr.org/12"
    ),
    "SPEECH_COMMANDS": CorpusPlace(
        "speech_commands",
        "train/ and test/, unpacked from speech_commands_v0.01.tar.gz and speech_commands_test_set_v0.01.tar.gz",
        "http://download.tensorflow.org/data/",
    ),
    "FLUENT_COMMANDS": CorpusPlace(
        "fluent_commands",
        "data/ and wavs/ of Fluent Speech Commands",
        "https://huggingface.co/datasets/leo19941227/fluent_speech_commands",
    ),
    "SNIPS": CorpusPlace(
        "snips",
        "all.iob.snips.txt, train/, valid/ and test/ of the preprocessed Audio SNIPS",
        "https://drive.google.com/file/d/1oBRZd-PaCKz5iY3eZkXs5OB_ZZ4w7bbG",
    ),
    "VOXCELEB1": CorpusPlace(
        "voxceleb1", "dev/wav and test/wav of VoxCeleb1", "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html"
    ),
    "IEMOCAP": CorpusPlace("iemocap", "Session1 to Session5 of IEMOCAP", "https://sail.usc.edu/iemocap/"),
    "QUESST14": CorpusPlace(
        "quesst14", "the unpacked quesst14Database", "https://speech.fit.vutbr.cz/files/quesst14Database.tgz"
    ),
}
"""By environment variable.  Sources as s3prl 0.4.18 names them (s3prl/downstream/docs/superb.md)."""


PREPARED_FROM: dict[str, str] = {
    "pr": "$LIBRISPEECH",
    "asr": "$LIBRISPEECH",
    "asr_zh": "COMMON_VOICE/zh-CN",
    "ks35": "SPEECH_COMMANDS_V0.02",
    "sf": "$SNIPS",
    "sid": "$VOXCELEB1",
    "asv": "$VOXCELEB1",
    "sd": "LIBRI2MIX",
    "er": "$IEMOCAP",
    "keywords": "FOLDER_OF_WORDS",
    "speakers": "FOLDER_OF_SPEAKERS",
}
"""What ``fairseq-budget corpus superb TASK`` is given, by task."""

_MADE_ELSEWHERE = {
    "asr_zh": "Common Voice 7.0 from https://commonvoice.mozilla.org/datasets",
    "ks35": "speech_commands_v0.02.tar.gz from http://download.tensorflow.org/data/, unpacked",
    "sd": "Libri2Mix as generate_librimix_sd.sh of https://github.com/s3prl/LibriMix makes it",
}


class _Variables(Template):
    """``$NAME`` and ``${NAME}``; anything else with a dollar sign is left as it is."""

    idpattern = r"(?a:[A-Za-z_][A-Za-z0-9_]*)"


def expand(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with the variables that are set, and those that follow from ``$SUPERB``, replaced; others stay."""
    known = dict(environment)
    if environment.get(BASE):
        for variable, place in PLACES.items():
            known.setdefault(variable, os.path.join(environment[BASE], place.folder))
    return _Variables(text).safe_substitute(known)


def variables(text: str) -> list[str]:
    """The names of the variables in `text`, in order."""
    return _Variables(text).get_identifiers()


def remedy(text: str, task: str) -> str:
    """What to do about a path of a recipe that isn't there: where to get it and where to put it, in one clause.

    `text` is the path as it stands in the recipe, `task` the recipe's name.
    """
    names = variables(text)
    if BASE in names:
        command = f"fairseq-budget corpus superb {task} {PREPARED_FROM.get(task, 'CORPUS')} --out ${BASE}"
        corpus = f" ({_MADE_ELSEWHERE[task]})" if task in _MADE_ELSEWHERE else ""
        return f"set {BASE} to a folder of yours, and fill it with `{command}`{corpus}"
    for name in names:
        if name in PLACES:
            place = PLACES[name]
            return f"get it from {place.source} and set {name} to the folder that holds {place.content}"
    return "check the path"

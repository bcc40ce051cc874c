"""Who speaks: read from the name of an utterance's file by a regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from fairseq_budget.data.archives.index import member_of
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.errors import BudgetError, ConfigError

LIBRISPEECH_RULE = r"^(?:.*/)?(\d+)-\d+-\d+\.\w+$|([^/]+)/[^/]+/[^/]+$"
"""LibriSpeech's SPEAKER-CHAPTER-NUMBER.flac wherever it lies; any other file is SPEAKER/CHAPTER/file, as VoxCeleb's are."""


def speakers(utterances: Utterances, rule: str = LIBRISPEECH_RULE) -> np.ndarray:
    """The speaker of each utterance (of a chain's first piece), numbered in order of appearance.

    Shape: -> (N,) int64
    Raises what ``speaker_names`` raises.
    """
    known: dict[str, int] = {}
    numbers = (known.setdefault(name, len(known)) for name in speaker_names(utterances, rule))
    return np.fromiter(numbers, dtype=np.int64, count=len(utterances))


def speaker_names(utterances: Utterances, rule: str = LIBRISPEECH_RULE) -> Iterator[str]:
    """The speaker of each utterance (of a chain's first piece), by name.

    `rule` is looked for in the file's name below the manifest's folder, or in that of an archive's member; the first of its
    groups that matched is the speaker.

    Raises:
        BudgetError: a name that the rule doesn't match.
        ConfigError: a rule that is no expression with a group.
    """
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ConfigError(f"speaker rule `{rule}` is not a regular expression ({error}): correct it") from error
    if not pattern.groups:
        raise ConfigError(f"speaker rule `{rule}` has no group: put the speaker's part in parentheses, as in `^([^/]+)/`")
    for index in range(len(utterances)):
        name = utterances.parts(index)[0].name
        name = member_of(utterances.root / name) or name
        match = pattern.search(name)
        speaker = next(filter(None, match.groups()), None) if match else None
        if speaker is None:
            who = "LibriSpeech's naming" if rule == LIBRISPEECH_RULE else f"the speaker rule `{rule}`"
            raise BudgetError(
                f"{utterances.where(index)}: {who} finds no speaker in `{name}`: give another `speaker_rule`, a regular "
                "expression whose first group is the speaker"
            )
        yield speaker

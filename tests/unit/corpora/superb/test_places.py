"""Where the corpora are looked for, and what is said where one is missing."""

from __future__ import annotations

import pytest

from fairseq_budget.corpora.superb.places import expand, remedy, variables


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("${LIBRISPEECH}", {"LIBRISPEECH": "/a"}, "/a"),
        ("$LIBRISPEECH/x", {"LIBRISPEECH": "/a", "SUPERB": "/s"}, "/a/x"),
        ("${LIBRISPEECH}/x", {"SUPERB": "/s"}, "/s/librispeech/x"),
        ("${SPEECH_COMMANDS}/train", {"SUPERB": "/s"}, "/s/speech_commands/train"),
        ("${SUPERB}/pr/phoneme.txt", {"SUPERB": "/s"}, "/s/pr/phoneme.txt"),
        ("${SUPERB}/pr ${LIBRISPEECH}", {}, "${SUPERB}/pr ${LIBRISPEECH}"),
        ("${LIBRISPEECH}", {"SUPERB": ""}, "${LIBRISPEECH}"),
        ("5$ and $5 $ELSEWHERE", {"ELSEWHERE": "there"}, "5$ and $5 there"),
    ],
)
def test_variables_that_are_set_or_follow(text: str, environment: dict[str, str], expected: str) -> None:
    assert expand(text, environment) == expected


def test_variables_of_a_text() -> None:
    assert variables("${SUPERB}/${A}$B $$C 5$") == ["SUPERB", "A", "B"]


def test_remedies() -> None:
    assert remedy("${VOXCELEB1}", "sid") == (
        "get it from https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html and set VOXCELEB1 to the folder that holds "
        "dev/wav and test/wav of VoxCeleb1"
    )
    assert remedy("${SUPERB}/pr/phoneme.txt", "pr") == (
        "set SUPERB to a folder of yours, and fill it with `fairseq-budget corpus superb pr $LIBRISPEECH --out $SUPERB`"
    )
    made = "(Libri2Mix as generate_librimix_sd.sh of https://github.com/s3prl/LibriMix makes it)"
    assert remedy("${SUPERB}/sd/train", "sd").endswith(f"superb sd LIBRI2MIX --out $SUPERB` {made}")
    assert remedy("/my/own", "pr") == remedy("$OTHER", "pr") == "check the path"

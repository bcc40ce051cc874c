"""Speakers from file names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.speakers import speakers
from fairseq_budget.errors import BudgetError, ConfigError


def manifest_of(*names: str) -> Manifest:
    return Manifest(Path("/"), names, np.ones(len(names), dtype=np.int64))


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("19/198/19-198-0000.flac", "103/1240/103-1240-0000.flac", "19/227/19-227-0003.flac"), [0, 1, 0]),
        (("train-clean-100/19/198/19-198-0000.flac", "train-other-500/20/1/20-1-0000.flac"), [0, 1]),
        (("b/x/19-198-0000.flac", "a/y/19-227-0000.flac", "b/x/103-1240-0000.flac", "x/19-198-0001.wav"), [0, 0, 1, 0]),
        (("19-198-0000.flac", "19-227-0000.flac", "103-1240-0000.flac"), [0, 0, 1]),
        (("id10001/1zcIwhmdeo4/00001.wav", "id10001/x/00001.wav", "dev/id10002/x/1.wav"), [0, 0, 1]),
    ],
)
def test_the_layouts_of_corpora(names: tuple[str, ...], numbers: list[int]) -> None:
    assert speakers(manifest_of(*names)).tolist() == numbers


def test_a_rule_of_ones_own() -> None:
    assert speakers(manifest_of("LJ001-0001.wav", "LJ002-0001.wav", "WS1.wav"), "^([A-Z]+)").tolist() == [0, 0, 1]


def test_names_without_a_speaker() -> None:
    message = r"utterance 2 below `/`: LibriSpeech's naming finds no speaker in `b\.wav`: give another `speaker_rule`"
    with pytest.raises(BudgetError, match=message):
        speakers(manifest_of("1-2-3.wav", "b.wav"))
    with pytest.raises(
        BudgetError, match=r"the speaker rule `\(c\)` finds no speaker in `b\.wav`: give another `speaker_rule`"
    ):
        speakers(manifest_of("b.wav"), "(c)")


@pytest.mark.parametrize(("rule", "problem"), [("(", "is not a regular expression"), ("x", "has no group: put")])
def test_rules_that_are_none(rule: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        speakers(manifest_of("x"), rule)

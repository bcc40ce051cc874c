"""Tasks on folders of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.errors import ConfigError
from s3prl_upstreams.sweep import own
from tests.unit.s3prl_upstreams.sweep.conftest import write


def test_a_task_is_led_to_what_was_prepared(tmp_path: Path) -> None:
    for who in "ab":
        for number in range(3):
            write(tmp_path / "mine" / who / f"{number}.wav", 1600, number)
    overrides, made = own.prepared("speakers", tmp_path / "mine", tmp_path / "out")
    place = tmp_path / "out" / "corpora" / "speakers"
    assert overrides == [
        f"speakers:config.downstream_expert.datarc.file_path='{place}'",
        f"speakers:config.downstream_expert.datarc.meta_data='{place}/veri_test_class.txt'",
    ]
    assert made == [f"{place}: 2 folders of `{tmp_path}/mine`, 2 for train, 2 for dev, 2 for test, parted by file"]


def test_a_task_whose_corpus_is_a_published_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`--task ks`: its corpus is that of SPEECH_COMMANDS; set those and use"):
        own.prepared("ks", tmp_path, tmp_path)

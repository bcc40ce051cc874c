"""eSpeak: what it says depends on text and voice only."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from fairseq_budget.data.corpora import espeak
from fairseq_budget.data.corpora.espeak import Voice, phonemes, speak
from fairseq_budget.errors import BudgetError

TEXT = "Seven old sailors were waiting near the harbor."
FEMALE = Voice("en-us", "f3", pitch=60)


def test_what_was_said_before_does_not_matter() -> None:
    first = speak(TEXT, FEMALE)
    speak("Something else, by somebody else!", Voice("en-gb-x-rp", "m2"))
    phonemes("and phonemes too", Voice())
    np.testing.assert_array_equal(speak(TEXT, FEMALE), first)


def test_another_process_says_the_same() -> None:
    code = (
        "import hashlib; from fairseq_budget.data.corpora.espeak import Voice, speak; speak('first', Voice());"
        f"print(hashlib.sha1(speak({TEXT!r}, Voice('en-us', 'f3', pitch=60)).tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha1(speak(TEXT, FEMALE).tobytes()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        Voice("en-gb-scotland", "f3", pitch=60),
        Voice("en-us", "m3", pitch=60),
        Voice("en-us", "f3", pitch=40),
        Voice("en-us", "f3", pitch=60, pitch_range=90),
        Voice("en-us", "f3", pitch=60, words_per_minute=120),
    ],
)
def test_every_setting_is_heard(other: Voice) -> None:
    assert not np.array_equal(speak(TEXT, other), speak(TEXT, FEMALE))


def test_rate_is_words_per_minute() -> None:
    slow, fast = (len(speak(TEXT, Voice(words_per_minute=rate))) for rate in (100, 200))
    assert slow / fast == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("accent", espeak.ACCENTS)
def test_all_accents_speak(accent: str) -> None:
    pcm = speak("hello", Voice(accent))
    assert pcm.dtype == np.int16
    assert np.abs(pcm).max() > 1000


def test_a_fork_ends_when_its_parent_is_killed() -> None:
    # The fork kills its parent and then writes far more than a pipe holds, which nobody is left to read.
    code = (
        "import os, signal; from fairseq_budget.data.corpora import espeak\n"
        "def answer():\n"
        "    os.kill(os.getppid(), signal.SIGKILL); return bytes(10**7)\n"
        "espeak._ask(espeak.Voice(), answer)"
    )
    # The fork holds standard output open, so this returns only once it has ended.
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert result.returncode == -signal.SIGKILL


def test_phonemes() -> None:
    assert phonemes("Hello there. How are you?", Voice()) == "həlˈoʊ ðˈɛɹ\nhˈaʊ ɑːɹ juː"
    assert phonemes("", Voice()) == ""


def test_variants_are_people() -> None:
    assert len(espeak.variants()) > 60
    assert not {"whisper", "UniRobot", "robosoft3"} & set(espeak.variants())


def test_unknown_variant() -> None:
    with pytest.raises(BudgetError, match="unknown variant `nobody`: choose one of .*f1"):
        speak(TEXT, Voice("en-us", "nobody"))


def test_unknown_accent() -> None:
    with pytest.raises(BudgetError, match="unknown accent `klingon`: choose one of en-us"):
        speak(TEXT, Voice("klingon"))


@pytest.mark.parametrize("text", ["", " ", "..."])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(BudgetError, match="made no sound of .*: give it words"):
        speak(text, Voice())

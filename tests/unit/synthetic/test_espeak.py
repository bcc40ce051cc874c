"""eSpeak: what it says depends on text and voice only."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic import espeak
from fairseq_budget.synthetic.espeak import RATE, SILENCE, Voice, phonemes, speak, speak_aligned

TEXT = "Seven old sailors were waiting near the harbor."
FEMALE = Voice("en-us", "f3", pitch=60)


def test_what_was_said_before_does_not_matter() -> None:
    first = speak(TEXT, FEMALE)
    speak("Something else, by somebody else!", Voice("en-gb-x-rp", "m2"))
    phonemes("and phonemes too", Voice())
    np.testing.assert_array_equal(speak(TEXT, FEMALE), first)


def test_another_process_says_the_same() -> None:
    code = (
        "import hashlib; from fairseq_budget.synthetic.espeak import Voice, speak; speak('first', Voice());"
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
        "import os, signal; from fairseq_budget.synthetic import espeak\n"
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


@pytest.mark.parametrize("voice", [Voice(), FEMALE, Voice("en-gb-scotland", "m3", 150), Voice("en-us-nyc", "Gene", 199)])
def test_phones_are_heard_where_they_are_said_to_be(voice: Voice) -> None:
    """Pauses are quiet, hisses are noisy, and both lie where the phones say."""
    pcm, phones = speak_aligned("Six. Seven, she says.", voice)
    np.testing.assert_array_equal(pcm, speak("Six. Seven, she says.", voice))
    starts = [phone.start for phone in phones]
    assert starts[0] == 0 and starts == sorted(set(starts)) and starts[-1] < len(pcm)
    crossings: dict[bool, list[float]] = {True: [], False: []}
    for phone, end in zip(phones, [*starts[1:], len(pcm)], strict=True):
        inner = pcm[phone.start + RATE // 100 : end - RATE // 100].astype(np.int64)
        if phone.name == SILENCE and len(inner) > RATE // 20:
            assert np.abs(inner).max() < 0.1 * np.abs(pcm).max()
        elif len(inner) > RATE // 50:
            crossings[phone.name in ("s", "ʃ")].append(float((np.diff(np.sign(inner)) != 0).mean()))
    assert len(crossings[True]) >= 4
    assert min(crossings[True]) > max(crossings[False])


def test_phones_have_no_stress_and_few_pauses() -> None:
    _, phones = speak_aligned("Hello there. How are you?", Voice())
    assert [phone.name for phone in phones] == "sil h ə l oʊ ð ɛɹ sil h aʊ ɑːɹ j uː sil".split()


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

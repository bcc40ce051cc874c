"""Speech and phonemes from eSpeak NG, through the library that the ``espeakng-loader`` package carries.

eSpeak keeps state from one utterance to the next (the phase of its oscillators and flutter, its noise generator), and
initialising it again does not clear all of it.  So the library is initialised once in this process and never speaks
here: every call is answered by a fork of this process that starts from that same untouched state, and ends.  What is
said before, by whom, or in how many processes then makes no difference: the samples depend on text and voice alone.
A call costs about 5 ms more for it.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import numpy as np

from fairseq_budget.errors import BudgetError, unknown_name

RATE = 22050
"""Samples per second of what ``speak`` returns."""

ACCENTS = ("en-us", "en-us-nyc", "en-gb-x-rp", "en-gb-scotland")
"""The kinds of English used here, by eSpeak's names."""

# Constants of espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_PARAMETERS = {"words_per_minute": 1, "pitch": 3, "pitch_range": 4}

# Variants that do not sound like a person speaking: robots, whispers, buzzing experiments, and one equal to no variant.
_ODD = ("AnxiousAndy", "Demonic", "Tweaky", "UniRobot", "anikaRobot", "croak", "fast", "klatt", "robosoft", "whisper")

_SampleCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Voice:
    """How to say something: an accent, a variant (the speaker's timbre; empty for the accent's own) and three settings.

    `words_per_minute` is 80 to 450; `pitch` and `pitch_range` are 0 to 99, where 50 is the variant's own.
    """

    accent: str = "en-us"
    variant: str = ""
    words_per_minute: int = 175
    pitch: int = 50
    pitch_range: int = 50

    @property
    def name(self) -> str:
        """eSpeak's name for accent and variant."""
        return f"{self.accent}+{self.variant}" if self.variant else self.accent


@functools.cache
def variants() -> tuple[str, ...]:
    """The names of the variants that sound like a person, sorted."""
    names = (path.name for path in Path(_data_folder(), "voices", "!v").iterdir())
    return tuple(sorted(name for name in names if not name.startswith(_ODD)))


def speak(text: str, voice: Voice) -> np.ndarray:
    """Say an English text.

    Shape: (samples,) int16 at ``RATE``.
    Raises BudgetError for an unknown accent or variant, and if eSpeak fails or has nothing to say.
    """
    pcm = np.frombuffer(_ask(voice, lambda: _synthesize(text)), dtype=np.int16)
    # A text without words gives a few samples of digital silence.
    if not pcm.any():
        raise BudgetError(f"eSpeak made no sound of {text!r}: give it words")
    return pcm


def phonemes(text: str, voice: Voice) -> str:
    """The phonemes of an English text in IPA, with stress marks; words are parted by blanks, clauses by line breaks."""
    return _ask(voice, lambda: _to_ipa(text)).decode("utf-8")


def _ask(voice: Voice, answer: Callable[[], bytes]) -> bytes:
    """What `answer` returns in a fork of this process in which the voice has been set."""
    if voice.accent not in ACCENTS:
        raise unknown_name("accent", voice.accent, ACCENTS)
    # eSpeak takes an unknown variant without complaint and speaks without one.
    if voice.variant and voice.variant not in variants():
        raise unknown_name("variant", voice.variant, variants())
    _library()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # With a reading end of its own, the child would wait for ever on a full pipe after its parent was killed.
        os.close(reading)
        _answer_and_exit(writing, voice, answer)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        received = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise BudgetError(f"eSpeak failed with voice `{voice.name}` (status {status}): reinstall `espeakng-loader`")
    return received


def _answer_and_exit(writing: int, voice: Voice, answer: Callable[[], bytes]) -> NoReturn:
    """The forked child's whole life.  It leaves through ``os._exit`` so that nothing of the parent's is run twice."""
    status = 1
    try:
        _set_voice(voice)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer())
        status = 0
    finally:
        os._exit(status)


def _set_voice(voice: Voice) -> None:
    library = _library()
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    if library.espeak_SetVoiceByName(voice.name.encode("utf-8")):
        raise LookupError(voice.name)  # ends the child with a failure, which the parent reports
    for field, parameter in _PARAMETERS.items():
        library.espeak_SetParameter(parameter, getattr(voice, field), 0)


def _synthesize(text: str) -> bytes:
    pieces: list[bytes] = []

    @_SampleCallback
    def keep(samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    library = _library()
    library.espeak_SetSynthCallback(keep)
    data = text.encode("utf-8")
    library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _CHARS_UTF8, None, None)
    return b"".join(pieces)


def _to_ipa(text: str) -> bytes:
    library = _library()
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    rest = ctypes.c_char_p(text.encode("utf-8"))
    clauses: list[bytes] = []
    # Each call translates one clause and moves the pointer past it, to NULL after the last.
    while rest.value:
        clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, _PHONEMES_IPA).strip())
    return b"\n".join(clauses)


@functools.cache
def _library() -> ctypes.CDLL:
    """The library, initialised, in the state from which every fork starts."""
    library = ctypes.CDLL(_loader().get_library_path())
    folder = os.fsencode(_data_folder())
    rate = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, folder, _INITIALIZE_DONT_EXIT)
    if rate != RATE:
        raise BudgetError(f"eSpeak cannot start from `{_data_folder()}` (it says {rate}): reinstall `espeakng-loader`")
    return library


def _data_folder() -> str:
    return str(_loader().get_data_path())


def _loader() -> ModuleType:
    try:
        import espeakng_loader
    except ImportError as error:
        raise BudgetError("synthetic speech needs eSpeak NG: `pip install espeakng-loader`") from error
    return espeakng_loader

"""Speech, its phones in time, and phonemes from eSpeak NG, through the library that ``espeakng-loader`` carries.

eSpeak keeps state from one utterance to the next (the phase of its oscillators and flutter, its noise generator), and
initialising it again does not clear all of it.  So the library is initialised once in this process and never speaks
here: every call is answered by a fork of this process that starts from that same untouched state, and ends.  What is
said before, by whom, or in how many processes then makes no difference: the samples depend on text and voice alone.
A call costs about 5 ms more for it.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import numpy as np

from fairseq_budget.data.alignments import SILENCE
from fairseq_budget.errors import BudgetError, unknown_name

RATE = 22050
"""Samples per second of what ``speak`` returns."""

ACCENTS = ("en-us", "en-us-nyc", "en-gb-x-rp", "en-gb-scotland")
"""The kinds of English used here, by eSpeak's names."""

MANDARIN = "cmn"
"""The one other language that is spoken here."""

# Constants of espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_PHONEME_IPA = 0x0002
_INITIALIZE_DONT_EXIT = 0x8000
_EVENT_LIST_TERMINATED = 0
_EVENT_PHONEME = 7
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_PARAMETERS = {"words_per_minute": 1, "pitch": 3, "pitch_range": 4}

# Variants that do not sound like a person speaking: robots, whispers, buzzing experiments, and one equal to no variant.
_ODD = ("AnxiousAndy", "Demonic", "Tweaky", "UniRobot", "anikaRobot", "croak", "fast", "klatt", "robosoft", "whisper")

_STRESS = "ˈˌ"

# Glides between vowels and glottal stops have no IPA name in eSpeak's events, as pauses haven't, but last 20 to 65 ms;
# pauses between words last 125 ms or more (measured over all variants and accents at the corpora's rates).
_SHORTEST_PAUSE = RATE * 70 // 1000


class _EventId(ctypes.Union):
    """espeak_EVENT's `id`; the name of a phoneme ends with a zero byte unless it fills all 8."""

    _fields_ = (("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h; `sample` counts from the beginning of the text."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_SampleCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


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


@dataclass(frozen=True)
class Phone:
    """A phone in IPA without stress (or ``SILENCE``), and the sample at ``RATE`` where it begins."""

    name: str
    start: int


@functools.cache
def variants() -> tuple[str, ...]:
    """The names of the variants that sound like a person, sorted."""
    names = (path.name for path in Path(_data_folder(), "voices", "!v").iterdir())
    return tuple(sorted(name for name in names if not name.startswith(_ODD)))


def speak(text: str, voice: Voice) -> np.ndarray:
    """Say an English text.

    Shape: (samples,) int16 at ``RATE``.

    Raises:
        BudgetError: an unknown accent or variant, and if eSpeak fails or has nothing to say.
    """
    return speak_aligned(text, voice)[0]


def speak_aligned(text: str, voice: Voice) -> tuple[np.ndarray, list[Phone]]:
    """``speak``, and which phone begins where: in order, the first at sample 0, each lasting until the next.

    Asking for the phones changes no sample.
    """
    header, _, samples = _ask(voice, lambda: _synthesize(text)).partition(b"\n")
    pcm = np.frombuffer(samples, dtype=np.int16)
    # A text without words gives a few samples of digital silence.
    if not pcm.any():
        raise BudgetError(f"eSpeak made no sound of {text!r}: give it words")
    return pcm, _merged([Phone(SILENCE, 0), *(Phone(name, start) for name, start in json.loads(header))], len(pcm))


def _merged(phones: list[Phone], end: int) -> list[Phone]:
    """Without phones that last no sample; neighbouring pauses are one, and what is no pause goes to the phone before it."""
    stops = [phone.start for phone in phones[1:]] + [end]
    merged: list[Phone] = []
    for phone, stop in zip(phones, stops, strict=True):
        unnamed_sound = 0 < phone.start and stop < end and stop - phone.start < _SHORTEST_PAUSE
        goes_on = phone.name == SILENCE and merged and (unnamed_sound or merged[-1].name == SILENCE)
        if phone.start < min(stop, end) and not goes_on:
            merged.append(phone)
    return merged


def phonemes(text: str, voice: Voice) -> str:
    """The phonemes of an English text in IPA, with stress marks; words are parted by blanks, clauses by line breaks."""
    return _ask(voice, lambda: _to_ipa(text)).decode("utf-8")


def _ask(voice: Voice, answer: Callable[[], bytes]) -> bytes:
    """What `answer` returns in a fork of this process in which the voice has been set."""
    if voice.accent not in (*ACCENTS, MANDARIN):
        raise unknown_name("accent", voice.accent, (*ACCENTS, MANDARIN))
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
    """A line of JSON with [phone, first sample] of each phone, then the samples."""
    pieces: list[bytes] = []
    phones: list[tuple[str, int]] = []

    def keep(samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        number = 0
        while events and events[number].type != _EVENT_LIST_TERMINATED:
            if events[number].type == _EVENT_PHONEME:
                phones.append((_phone_name(events[number].id.string), events[number].sample))
            number += 1
        return 0

    library = _library()
    callback = _SampleCallback(keep)  # by name, so that it lives until the last sample
    library.espeak_SetSynthCallback(callback)
    data = text.encode("utf-8")
    library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 0, 0, _CHARS_UTF8, None, None)
    return json.dumps(phones).encode("ascii") + b"\n" + b"".join(pieces)


def _phone_name(name: bytes) -> str:
    """A phone without its stress; pauses have no IPA name.  A name of more than 8 bytes may be cut inside a letter."""
    return name.decode("utf-8", errors="ignore").strip(_STRESS) or SILENCE


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
    options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEME_IPA | _INITIALIZE_DONT_EXIT
    rate = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, folder, options)
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

"""fairseq's reading of single files, as its scripts that dump features do it."""

from __future__ import annotations

import functools
from typing import Any

from fairseq.data.audio import audio_utils

from fairseq_budget.plugin.errors import UserError


def read_what_needs_no_conversion() -> bool:
    """It imports `torchaudio.sox_effects` before it asks whether there is anything to convert; torchaudio 2.9 dropped it."""
    if not hasattr(audio_utils.convert_waveform, "__wrapped__"):
        audio_utils.convert_waveform = _convert(audio_utils.convert_waveform)
    return True


def _convert(original: Any) -> Any:
    @functools.wraps(original)
    def convert_waveform(
        waveform: Any,
        sample_rate: int,
        normalize_volume: bool = False,
        to_mono: bool = False,
        to_sample_rate: int | None = None,
    ) -> Any:
        is_fitting = not normalize_volume and to_sample_rate in (None, sample_rate)
        if is_fitting and not (to_mono and waveform.shape[0] > 1):
            return waveform, sample_rate
        try:
            return original(waveform, sample_rate, normalize_volume, to_mono, to_sample_rate)
        except ImportError as error:
            raise UserError(
                f"audio of {waveform.shape[0]} channels at {sample_rate} Hz has to be converted, which fairseq does with "
                "torchaudio.sox_effects: convert the files before, or install torchaudio before 2.9"
            ) from error

    return convert_waveform

"""A miniature of IEMOCAP, for ER.

SessionK/sentences/wav/DIALOG/UTTERANCE.wav
SessionK/dialog/EmoEvaluation/DIALOG.txt      lines `[begin - end]<tab>UTTERANCE<tab>EMOTION<tab>[V, A, D]` among others
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.speakers import Speaker
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

SESSIONS = range(1, 6)


@dataclass(frozen=True)
class Manner:
    """How an emotion changes eSpeak's settings."""

    words_per_minute: int
    pitch: int
    pitch_range: int


EMOTIONS = {
    "neu": Manner(0, 0, 0),
    "hap": Manner(20, 12, 20),
    "exc": Manner(40, 18, 30),
    "ang": Manner(50, -5, 40),
    "sad": Manner(-50, -15, -30),
    "fru": Manner(10, 0, 0),
}
"""By the corpus's names; SUPERB leaves `fru` out, and counts `exc` as `hap`."""


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: in every session a woman and a man, each with a dialog in which all emotions occur."""
    studio = Studio(seed, 7)
    for session in SESSIONS:
        place = folder / f"Session{session}"
        for speaker in studio.speakers([f"Ses{session:02d}F", f"Ses{session:02d}M"]):
            dialog, begin = f"{speaker.name}_impro01", 0.0
            lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            for number, emotion in enumerate(EMOTIONS):
                name = f"{dialog}_{speaker.name[-1]}{number:03d}"
                wave = studio.say(studio.sentence(4), _in_manner(speaker, EMOTIONS[emotion]))
                end = begin + studio.keep(place / "sentences" / "wav" / dialog / f"{name}.wav", wave)
                lines += [
                    f"[{begin:.4f} - {end:.4f}]\t{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]",
                    f"C-E1:\t{emotion};\t()",
                    "",
                ]
                begin = end
            write_lines(place / "dialog" / "EmoEvaluation" / f"{dialog}.txt", lines)
    return studio.made


def _in_manner(speaker: Speaker, manner: Manner) -> Speaker:
    voice = speaker.voice
    return replace(
        speaker,
        voice=replace(
            voice,
            words_per_minute=voice.words_per_minute + manner.words_per_minute,
            pitch=min(99, max(0, voice.pitch + manner.pitch)),
            pitch_range=min(99, max(0, voice.pitch_range + manner.pitch_range)),
        ),
    )

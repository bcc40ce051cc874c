"""A miniature of LibriSpeech, for PR and ASR.

{train-clean-100,dev-clean,test-clean}/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac and SPEAKER-CHAPTER.trans.txt
"""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.sentences import transcript
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

SPEAKERS = {"train-clean-100": ("9001", "9002"), "dev-clean": ("9003",), "test-clean": ("9004",)}
_UTTERANCES = {"train-clean-100": 5, "dev-clean": 3, "test-clean": 3}
_MOST_WORDS = 7


def make(folder: Path, seed: int) -> Made:
    """Write the corpus."""
    studio = Studio(seed, 1)
    for part, names in SPEAKERS.items():
        for speaker in studio.speakers(names):
            place, stem = folder / part / speaker.name / "1", f"{speaker.name}-1"
            lines = []
            for number in range(_UTTERANCES[part]):
                text = studio.sentence(_MOST_WORDS)
                studio.keep(place / f"{stem}-{number:04d}.flac", studio.say(text, speaker))
                lines.append(f"{stem}-{number:04d} {transcript(text)}")
            write_lines(place / f"{stem}.trans.txt", lines)
    return studio.made

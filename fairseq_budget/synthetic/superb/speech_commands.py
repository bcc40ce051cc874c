"""Miniatures of Speech Commands: v0.01 for KS, by keywords.py, and v0.02 with its 35 words.

WORD/SPEAKER_nohash_N.wav, _background_noise_/NAME.wav, validation_list.txt, testing_list.txt      (v0.02)
train/{validation_list.txt,testing_list.txt}                                                       (v0.01, besides)
"""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.keywords import (
    KEYWORDS,
    keyword_jobs,
    make_noises,
    names_in_part,
    official_part,
    say_keyword,
)
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

WORDS = (
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on "
    "one right seven sheila six stop three tree two up visual wow yes zero"
).split()
"""The 35 of Speech Commands v0.02 (Warden 2018)."""

PARTS = ("training", "validation", "testing")


def make(folder: Path, seed: int) -> Made:
    """Write v0.01: three speakers for training (s3prl wants a full batch of 32), one for validation, two for testing."""
    made = sum((job.work() for job in keyword_jobs(folder, speakers=4, takes=1, seed=seed)), Made())
    train, test = folder / "train", folder / "test"
    validation = [name for name in _recordings(train) if official_part(name.split("/")[1].split("_")[0]) == "validation"]
    write_lines(train / "validation_list.txt", validation)
    write_lines(train / "testing_list.txt", [name for name in _recordings(test) if name.split("/")[0] in KEYWORDS])
    return made


def _recordings(folder: Path) -> list[str]:
    """WORD/NAME of the words' recordings, by name."""
    return [str(path.relative_to(folder)) for path in sorted(folder.glob("*/*_nohash_*.wav"))]


def make_v2(folder: Path, seed: int) -> Made:
    """Write v0.02: one speaker in each part, by the corpus's own rule."""
    studio = Studio(seed, 2)
    lists: dict[str, list[str]] = {part: [] for part in PARTS}
    for part in PARTS:
        for speaker in studio.speakers(names_in_part(part, 1, studio.rng)):
            for word in WORDS:
                name = f"{word}/{speaker.name}_nohash_0.wav"
                studio.keep(folder / name, say_keyword(word, speaker, studio.rng))
                lists[part].append(name)
    write_lines(folder / "validation_list.txt", lists["validation"])
    write_lines(folder / "testing_list.txt", lists["testing"])
    return studio.made + make_noises(folder / "_background_noise_", seed)

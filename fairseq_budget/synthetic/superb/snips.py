"""A miniature of the preprocessed Audio SNIPS, for SF.

{train,valid,test}/SPEAKER-snips-PART-N.wav
all.iob.snips.txt      UTTERANCE BOS WORD ... EOS<tab>O TAG ... INTENT, where a tag is O or a slot
slots.txt              O, then the slots
"""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

SPEAKERS = {
    "train": ("Ivy", "Joanna", "Joey", "Justin", "Kendra", "Kimberly", "Matthew", "Salli"),
    "valid": ("Aditi", "Amy", "Geraint", "Nicole"),
    "test": ("Brian", "Emma", "Raveena", "Russell"),
}
"""The corpus's own sixteen."""

TEMPLATES = (
    ("AddToPlaylist", "ADD {artist} TO MY {playlist} PLAYLIST"),
    ("GetWeather", "WILL IT RAIN IN {city} {timeRange}"),
    ("RateBook", "GIVE {object_name} {rating_value} STARS"),
    ("PlayMusic", "PLAY {playlist} BY {artist}"),
)
VALUES = {
    "artist": ("MILES DAVIS", "NINA SIMONE"),
    "playlist": ("ROCK", "SUMMER NIGHTS"),
    "city": ("PARIS", "NEW YORK"),
    "timeRange": ("TOMORROW", "NEXT WEEK"),
    "object_name": ("SILENT SPRING", "DUNE"),
    "rating_value": ("TWO", "FIVE"),
}
"""Slots of the corpus, and things to fill them with."""

_UTTERANCES = {"train": 2, "valid": 1, "test": 1}


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: the same sentences by every speaker of a part, as in the original."""
    studio = Studio(seed, 4)
    lines = []
    for part, names in SPEAKERS.items():
        sentences = [tagged(studio, number) for number in range(_UTTERANCES[part])]
        for speaker in studio.speakers(names):
            for number, (words, tags, intent) in enumerate(sentences):
                name = f"{speaker.name}-snips-{part}-{number}"
                studio.keep(folder / part / f"{name}.wav", studio.say(" ".join(words).lower(), speaker))
                lines.append(f"{name} BOS {' '.join(words)} EOS\tO {' '.join(tags)} {intent}")
    write_lines(folder / "all.iob.snips.txt", lines)
    (folder / "slots.txt").write_text("\n".join(["O", *sorted(VALUES)]), encoding="utf-8")
    return studio.made


def tagged(studio: Studio, number: int) -> tuple[list[str], list[str], str]:
    """Words, a tag for each, and the intent, from template `number` (they take turns)."""
    intent, template = TEMPLATES[number % len(TEMPLATES)]
    words: list[str] = []
    tags: list[str] = []
    for word in template.split():
        slot = word.strip("{}")
        value = [word] if slot == word else str(studio.rng.choice(VALUES[slot])).split()
        words += value
        tags += ["O" if slot == word else slot] * len(value)
    return words, tags, intent

"""A miniature of Fluent Speech Commands, for IC.

data/{train,valid,test}_data.csv     columns: number, path, speakerId, transcription, action, object, location
wavs/speakers/SPEAKER/ID.wav
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

SPEAKERS = {"train": ("2BqVo8kVB2Skwgyb", "4BrX8aDqK2cLZRYl"), "valid": ("gvKeNY2D3Rs2jRdL",), "test": ("4aGjX3AG5xcxeL7a",)}

COMMANDS = (
    ("Turn on the lights", "activate", "lights", "none"),
    ("Turn the lights off in the kitchen", "deactivate", "lights", "kitchen"),
    ("Turn up the heat in the bedroom", "increase", "heat", "bedroom"),
    ("Make it quieter", "decrease", "volume", "none"),
    ("Bring me the newspaper", "bring", "newspaper", "none"),
    ("Pause the music", "deactivate", "music", "none"),
)
"""(words, action, object, location), with values of the corpus."""

COLUMNS = ("", "path", "speakerId", "transcription", "action", "object", "location")


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: every speaker gives every command."""
    studio = Studio(seed, 3)
    for part, names in SPEAKERS.items():
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, (speaker, command) in enumerate((s, c) for s in studio.speakers(names) for c in COMMANDS):
            path = f"wavs/speakers/{speaker.name}/{part}-{number:04d}.wav"
            studio.keep(folder / path, studio.say(command[0], speaker))
            writer.writerow((number, path, speaker.name, *command))
        write_lines(folder / "data" / f"{part}_data.csv", table.getvalue().splitlines())
    return studio.made

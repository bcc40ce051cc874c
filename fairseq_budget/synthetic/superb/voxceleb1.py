"""A miniature of VoxCeleb1, for SID and ASV.

{dev,test}/wav/idNNNNN/VIDEO/NNNNN.wav      more than 2 s each
iden_split.txt                              1, 2 or 3 (train, dev, test of SID) and a path
veri_test.txt                               trials: 1 or 0 (same speaker or not) and two paths under test/wav
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.speakers import Speaker
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

SPEAKERS = {"dev": ("id10001", "id10002", "id10003"), "test": ("id10270", "id10271")}
_VIDEOS = ("1zcIwhmdeo4", "7gWzIy6yIIk", "8jEAjG6SegY")
_LEAST_SAMPLES = round(2.3 * SAMPLE_RATE)
_IDENTIFICATION = {"1zcIwhmdeo4": 1, "7gWzIy6yIIk": 2, "8jEAjG6SegY": 3}


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: three videos of each speaker with one recording each, two in the first."""
    studio = Studio(seed, 5)
    paths: dict[str, list[str]] = {part: [] for part in SPEAKERS}
    for part, names in SPEAKERS.items():
        for speaker in studio.speakers(names):
            for video in (*_VIDEOS, _VIDEOS[0]):
                number = 1 + sum(path.startswith(f"{speaker.name}/{video}/") for path in paths[part])
                path = f"{speaker.name}/{video}/{number:05d}.wav"
                record_long(studio, speaker, folder / part / "wav" / path)
                paths[part].append(path)
    everything = [path for found in paths.values() for path in found]
    write_lines(folder / "iden_split.txt", (f"{_IDENTIFICATION[path.split('/')[1]]} {path}" for path in everything))
    write_lines(folder / "veri_test.txt", trials(paths["test"]))
    return studio.made


def record_long(studio: Studio, speaker: Speaker, path: Path) -> None:
    """One recording of more than 2 s, which ASV asks for."""
    while len(wave := studio.say(studio.sentence(12), speaker)) < _LEAST_SAMPLES:
        pass
    studio.keep(path, wave)


def trials(paths: list[str]) -> list[str]:
    """Every pair of recordings, and whether they are of one speaker."""
    return [f"{int(a.split('/')[0] == b.split('/')[0])} {a} {b}" for a, b in combinations(paths, 2)]

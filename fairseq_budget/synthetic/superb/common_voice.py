"""A miniature of Common Voice in Mandarin, for ASR zh.

{train,dev,test}.tsv      client_id, path, sentence, up_votes, down_votes, age, gender, accent, locale, segment
clips/NAME.mp3            32 kHz
"""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.synthetic.espeak import MANDARIN
from fairseq_budget.synthetic.jobs import Made
from fairseq_budget.synthetic.superb.studio import Studio, write_lines

RATE = 32000
COLUMNS = ("client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender", "accent", "locale", "segment")

SENTENCES = {
    "train": ("今天天气很好。", "我们去花园", "他在家里看书", "明天会下雨吗？", "请给我一杯水", "我用ABC学习"),
    "dev": ("今天我在家里", "他去看书"),
    "test": ("请给他书", "明天天气很好"),
}
"""One has Latin letters, which the task leaves out."""


def make(folder: Path, seed: int) -> Made:
    """Write the corpus: one speaker in each part."""
    studio = Studio(seed, 9)
    number = 0
    for part, sentences in SENTENCES.items():
        rows = ["\t".join(COLUMNS)]
        (speaker,) = studio.speakers([part], MANDARIN)
        for text in sentences:
            name = f"common_voice_zh-CN_{18000000 + number}.mp3"
            studio.keep(folder / "clips" / name, studio.say(text, speaker), RATE)
            rows.append("\t".join([part, name, text, "2", "0", "", "", "", "zh-CN", ""]))
            number += 1
        write_lines(folder / f"{part}.tsv", rows)
    return studio.made

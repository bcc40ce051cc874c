"""ER's five folds, for IEMOCAP.

The official lists decide, by their order, which fifth of the training sessions is for development; so they are fetched.
Lists from the corpus itself hold the same utterances in the order of their names, with another development part.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.librispeech import write_text
from fairseq_budget.errors import BudgetError

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
LABELS = {"neu": 0, "hap": 1, "ang": 2, "sad": 3}
_COUNTED_AS = {"neu": "neu", "hap": "hap", "exc": "hap", "ang": "ang", "sad": "sad"}
"""Excited counts as happy, and everything else is left out (s3prl's IEMOCAP_preprocess.py)."""

_RATED = re.compile(r"^\[[^]]*\]\t+(\S+)\t+(\S+)\t")


def emotions(root: Path, out: Path, own_lists: bool) -> list[str]:
    """Write SessionK/{train,test}_meta_data.json: fold K is tested on session K and trained on the others."""
    if own_lists:
        utterances = {session: _utterances(root, session) for session in SESSIONS}
        for session in SESSIONS:
            rest = [item for other in SESSIONS if other != session for item in utterances[other]]
            for part, items in (("train", rest), ("test", utterances[session])):
                write_text(out / session / f"{part}_meta_data.json", json.dumps({"labels": LABELS, "meta_data": items}))
    else:
        for place, file in public.FOLDS.items():
            public.obtain(file, out / place)
    report = []
    for session in SESSIONS:
        listed = json.loads((out / session / "test_meta_data.json").read_text(encoding="utf-8"))["meta_data"]
        missing = [item["path"] for item in listed if not (root / item["path"]).is_file()]
        if missing:
            raise BudgetError(
                f"no recording `{root / missing[0]}` (and {len(missing) - 1} others): give the folder of IEMOCAP"
            )
        report.append(f"{out / session}: tested on {len(listed)} utterances, {'own' if own_lists else 'official'} list")
    return report


def _utterances(root: Path, session: str) -> list[dict[str, str]]:
    """The utterances of a session that have one of the four emotions and a recording, by name."""
    found = []
    for path in sorted((root / session / "dialog" / "EmoEvaluation").glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            rated = _RATED.match(line)
            if rated is None or rated[2] not in _COUNTED_AS:
                continue
            wav = f"{session}/sentences/wav/{path.stem}/{rated[1]}.wav"
            if (root / wav).is_file():
                found.append({"path": wav, "label": _COUNTED_AS[rated[2]], "speaker": rated[1].partition("_")[0]})
    if not found:
        raise BudgetError(f"`{root / session}` has no rated utterances: give the folder that holds Session1 to Session5")
    return sorted(found, key=lambda item: item["path"])

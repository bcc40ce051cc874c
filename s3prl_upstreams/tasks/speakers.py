"""Speaker identification on folders of one's own: the head and the protocol of SID, a class for each folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq_budget.corpora.superb import folders
from s3prl_upstreams.tasks import sid
from s3prl_upstreams.tasks.accuracy import accuracy_task
from s3prl_upstreams.tasks.base import Config


def _told(expert: Config) -> dict[str, Any]:
    return folders.told(Path(expert["datarc"]["file_path"]))


TASK = accuracy_task(
    "speakers",
    "Speaker identification, a corpus of one's own",
    "voxceleb1",
    "SPEAKERS_ACC",
    ("SUPERB",),
    paths=sid.PATHS,
    lists=sid.lists,
    leave_out=sid.leave_out,
    fixes=(sid.list_files_of_this_corpus, sid.use_speaker_list),
    is_meant=sid.has_own_speakers,
    corpus=_told,
)

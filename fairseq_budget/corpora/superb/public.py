"""Lists of SUPERB that nobody can rebuild from the corpora: fetched from s3prl's repositories at one commit, and verified.

The checksum is the one that git itself has for the file in that commit, so that what comes is what the commit holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

_S3PRL = "https://raw.githubusercontent.com/s3prl/s3prl/ec8064b5889f81ca460fbe2c094ce576a6f120b7/s3prl/downstream/"
_LIBRIMIX = "https://raw.githubusercontent.com/s3prl/LibriMix/d569d35c6b1dd3c8d02a897a9ce1b88e82da90f9/metadata/LibriSpeech/"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class PublicFile:
    """A file in a public git repository: where it is, and git's identifier of its content (a SHA-1)."""

    url: str
    blob: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


LEXICONS = (
    PublicFile(_S3PRL + "ctc/lexicon/librispeech-lexicon-200k-g2p.txt", "a9143b4f90bde7f71221b7e546f780f3b655c8f7"),
    PublicFile(_S3PRL + "ctc/lexicon/librispeech-lexicon-allothers-g2p.txt", "cdc9ff665e674959c1150c62714150c3d3d0b726"),
)
IDENTIFICATION = PublicFile(_S3PRL + "voxceleb1/veri_test_class.txt", "bff103cfe2b4e0ec42b2ed658ead99cea5e6cf51")
TRIALS = PublicFile(_S3PRL + "sv_voxceleb1/voxceleb1_test_v2.txt", "906755864e1726e2ff8e9abef5871e86d16c5bcf")
DEV_TRIALS = PublicFile(_S3PRL + "sv_voxceleb1/dev_meta_data/dev_meta_data.txt", "9a237cd23a4c3b5c3d68efad5c6c46a3182f974b")
SPEECH_SEGMENTS = {
    "train": PublicFile(_LIBRIMIX + "train_clean_100.rttm", "692dea67bc3493dd2f63f76aa2009ceaa72469f2"),
    "dev": PublicFile(_LIBRIMIX + "dev_clean.rttm", "07747cfdd2cea707f80a34f9c9b8e646701ef9e4"),
    "test": PublicFile(_LIBRIMIX + "test_clean.rttm", "b5ed6f28b6028c98dce05a643641f4b84ebea385"),
}
"""By SD's split."""

_SESSIONS = {
    1: ("1d05601f573dfc3a712a6f80f250ba9c494e3a8d", "7087ef4ce323d761305bbace2535a3d97c26971f"),
    2: ("f97d23207ec1e8f363b0f3153a6cfe4cfc38a131", "fd82a216934089e48c76e12c1d80f72ee4c9845b"),
    3: ("45a50125cfbd7e914c0e8b4d0c7413a09387200e", "2d021d64cb614cb1b3bd1987536907ea36a55117"),
    4: ("676bd87e58779807c81fadab54b4d126d1eb587e", "d6a917dc46fafe06720b2f4c403e83cf38f9e778"),
    5: ("1433558fe10418c6836e76092e0208dcbc1b4eb5", "8127b8cef20cf3708aabf44db955fe44bfd5f7da"),
}
FOLDS = {
    f"Session{session}/{part}_meta_data.json": PublicFile(
        f"{_S3PRL}emotion/meta_data/Session{session}/{part}_meta_data.json", blob
    )
    for session, blobs in _SESSIONS.items()
    for part, blob in zip(("train", "test"), blobs, strict=True)
}
"""By their place in ER's folder of lists."""

MANDARIN_CHARACTERS = PublicFile(_S3PRL + "ctc/cv_vocab/zh-CN_char.txt", "dd275394054ea30853a2930d8692613315b7c49e")


def blob_id(content: bytes) -> str:
    """git's identifier of a file's content: SHA-1 of ``blob LENGTH``, a zero byte, and the content (gitformat-pack)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def obtain(file: PublicFile, target: Path, candidates: Sequence[Path] = ()) -> str:
    """Have `file` at `target`; returns where it came from.

    It's left as it is if it's there and right; else the first of `candidates` with that content is copied, or it's fetched.

    Raises:
        BudgetError: another file at `target`, or one that can't be fetched or isn't what was asked for.
    """
    if target.exists():
        if blob_id(target.read_bytes()) != file.blob:
            raise BudgetError(f"`{target}` is there already and isn't the file `{file.url}`: remove it")
        return "there already"
    for candidate in candidates:
        if candidate.is_file() and blob_id(content := candidate.read_bytes()) == file.blob:
            _write(target, content)
            return f"copied from {candidate}"
    content = _fetch(file, target)
    if blob_id(content) != file.blob:
        raise BudgetError(f"what came from `{file.url}` has another checksum: put the right file at `{target}` yourself")
    _write(target, content)
    return f"fetched from {file.url}"


def _fetch(file: PublicFile, target: Path) -> bytes:
    try:
        answer = requests.get(file.url, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        reason = error.response.reason if error.response is not None else type(error).__name__
        raise BudgetError(
            f"`{file.url}` can't be fetched ({reason}): fetch it where there is a network, and put it at `{target}`"
        ) from error
    return answer.content


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as partial:
        partial.write_bytes(content)

"""Large downloads: they go on where they were cut off, and take their name only after their checksum was right."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from fairseq_budget.errors import BudgetError

# Seconds to connect, and seconds without a byte after which the connection counts as broken.
_TIMEOUT = (20.0, 60.0)
_PIECE_BYTES = 1 << 20
_GIVE_UP = frozenset({400, 401, 403, 404, 405, 410, 451})
"""Answers that another try won't change; 429 and 5xx may."""

PAUSES = (1.0, 4.0, 15.0, 60.0)
"""Seconds before each new try; they start again from the first whenever a try brought something."""


class _Broken(Exception):
    """The server answered, and then the connection broke or the answer was no use: worth another try."""


def download(
    url: str,
    path: Path,
    size: int,
    md5: str,
    progress: Callable[[int], None],
    pauses: Sequence[float] = PAUSES,
) -> None:
    """Fetch a file of `size` bytes to `path`; nothing is fetched if it's there.

    Until it's complete and its checksum is right it's called `PATH.part`; a `.part` from before is continued (HTTP Range,
    RFC 9110, section 14), or begun again where the server doesn't know ranges.  `progress` is told the bytes there are.

    Raises:
        BudgetError: no connection, an answer such as 404, a server that has another file under this name, one that still
            cuts off after as many tries in a row as there are `pauses`, or a wrong checksum.
    """
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _complete(url, part, size, progress, pauses)
    _verify(path if path.exists() else part, md5, url)
    if not path.exists():
        os.replace(part, path)


def _complete(url: str, part: Path, size: int, progress: Callable[[int], None], pauses: Sequence[float]) -> None:
    waits, most = iter(pauses), _bytes_of(part)
    while _bytes_of(part) < size:
        try:
            _stream(url, part, size, progress)
        except _Broken as error:
            if _bytes_of(part) > most:
                waits, most = iter(pauses), _bytes_of(part)
            pause = next(waits, None)
            if pause is None:
                raise BudgetError(
                    f"`{url}` was cut off after {most:,} of {size:,} bytes ({error}): give the same command again to go on "
                    "from there, or name a mirror with `--url`"
                ) from error
            time.sleep(pause)


def _stream(url: str, part: Path, size: int, progress: Callable[[int], None]) -> None:
    """Ask for what is missing, and append it."""
    have = _bytes_of(part)
    # a server or proxy that compressed the answer would make ranges and lengths those of other bytes
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise _unreachable(url, part, have, error) from error
    with answer:
        start = _checked_start(url, answer, have, size)
        try:
            with part.open("ab" if start else "wb") as file:
                for piece in answer.raw.stream(_PIECE_BYTES, decode_content=False):
                    file.write(piece)
                    progress(file.tell())
        except HTTPError as error:
            raise _Broken(_reason(error)) from error
        except OSError as error:
            raise BudgetError(f"`{part}` can't be written ({error.strerror}): make room, and start again") from error
    if _bytes_of(part) < size:
        raise _Broken("the answer ended early")


def _checked_start(url: str, answer: requests.Response, have: int, size: int) -> int:
    """The byte at which an answer begins: `have`, or 0 from a server that doesn't know ranges."""
    status = answer.status_code
    if status in _GIVE_UP:
        raise BudgetError(f"`{url}` answers {status} ({answer.reason}): check `--url`, or name another mirror with it")
    if status not in (200, 206, 416):
        raise _Broken(f"the server answers {status}")
    start = have if status == 206 else 0
    length = answer.headers.get("Content-Length", "")
    ends_at = start + int(length) if length.isdigit() else size
    if status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _Broken("the server sent another range than it was asked for")
    # 416: what we have is all, or more than, that the server's file holds
    if status == 416 or ends_at != size:
        raise BudgetError(f"`{url}` isn't the official archive of {size:,} bytes: name another mirror with `--url`")
    return start


def _verify(path: Path, md5: str, url: str) -> None:
    """Compare the MD5 checksum; a download that fails it is deleted, for it could never be continued to a right one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == md5:
        return
    if path.suffix != ".part":
        raise BudgetError(f"`{path}` has the MD5 checksum {found} instead of {md5}: delete it, and start again")
    path.unlink()
    raise BudgetError(
        f"what came from `{url}` has the MD5 checksum {found} instead of {md5} and was deleted: give the same command "
        "again, or name another mirror with `--url`"
    )


def _unreachable(url: str, part: Path, have: int, error: Exception) -> Exception:
    """With something there already, the connection may come back; without, the user should hear of it at once."""
    if have:
        return _Broken(_reason(error))
    return BudgetError(
        f"`{url}` can't be reached ({_reason(error)}): check the network, or name a mirror with `--url`, or copy the "
        f"archive to `{part.with_suffix('')}`"
    )


def _reason(error: BaseException) -> str:
    """The innermost cause, whose text is the shortest and clearest."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            return str(error) or type(error).__name__
        error = inner


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

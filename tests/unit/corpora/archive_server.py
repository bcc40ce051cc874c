"""A web server on this machine that has archives, and misbehaves as it's told."""

from __future__ import annotations

import io
import os
import re
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch


@dataclass
class ArchiveServer:
    """`files` by name.  `cuts`: bytes after which the connection of each answer in turn is cut (None: it isn't)."""

    files: dict[str, bytes]
    knows_ranges: bool = True
    tells_length: bool = True
    statuses: list[int] = field(default_factory=list)
    cuts: list[int | None] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.ranges.append(request.headers["Range"])
        content = self.files.get(request.path.removeprefix("/"))
        status = self.statuses.pop(0) if self.statuses else 200 if content is not None else 404
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers["Range"] or "") if self.knows_ranges else None
        start = int(asked[1]) if asked and status == 200 else 0
        if content is None or status != 200:
            request.send_error(status)
            return
        if start >= len(content) > 0:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.tells_length:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        request.wfile.write(content[start:] if cut is None else content[start : start + cut])
        if cut is not None:
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(files: dict[str, bytes], **behaviour: object) -> Iterator[ArchiveServer]:
    server = ArchiveServer(files, **behaviour)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                server.answer(self)

        def log_message(self, *arguments: object) -> None:
            """Nothing: the tests ask `ranges`."""

    # a proxy that the environment names wouldn't find this server
    direct = patch.dict(os.environ, {"NO_PROXY": "127.0.0.1"})
    with direct, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def archive(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """A `.tar.gz` of files by name; a member of any other kind is given as it shall stand there."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()

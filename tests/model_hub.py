"""Hugging Face's hub for downloads: huggingface_hub's own client fetches a folder from it by a model's name."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = "1" * 40


class ModelHub(ThreadingHTTPServer):
    """Folders by the names of models."""

    def __init__(self, models: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), ModelHandler)
        self.models = models

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ModelHandler(BaseHTTPRequestHandler):
    server: ModelHub

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> bytes:
        """Send what stands before the content, and return that."""
        status, content = self._found()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", hashlib.sha256(content).hexdigest())
        self.send_header("X-Repo-Commit", REVISION)
        if status == HTTPStatus.NOT_FOUND:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        return content

    def _found(self) -> tuple[HTTPStatus, bytes]:
        for name, folder in self.server.models.items():
            if self.path.startswith(f"/api/models/{name}"):
                files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
                return HTTPStatus.OK, json.dumps({"id": name, "sha": REVISION, "siblings": files}).encode()
            file = folder / self.path.rpartition("/")[2]
            if self.path.startswith(f"/{name}/resolve/") and file.is_file():
                return HTTPStatus.OK, file.read_bytes()
        return HTTPStatus.NOT_FOUND, b""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def model_hub(**models: Path) -> Iterator[str]:
    """The address of a hub with these models, each by its name below `owner/`."""
    with ModelHub({f"owner/{name}": folder for name, folder in models.items()}) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub.address
        hub.shutdown()

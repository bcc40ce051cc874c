"""Hugging Face's hub for downloads: huggingface_hub's own client fetches a folder from it by a model's name."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
        self._answer(*self._found())

    def do_HEAD(self) -> None:
        status, _, content = self._found()
        self._answer(status, {"Content-Length": str(len(content))}, b"")

    def _found(self) -> tuple[int, dict[str, str], bytes]:
        for name, folder in self.server.models.items():
            if self.path.startswith(f"/api/models/{name}"):
                files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
                return 200, {}, json.dumps({"id": name, "sha": REVISION, "siblings": files}).encode()
            file = folder / self.path.rpartition("/")[2]
            if self.path.startswith(f"/{name}/resolve/") and file.is_file():
                return 200, {}, file.read_bytes()
        return 404, {"X-Error-Code": "RepoNotFound"}, b""

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        _, _, whole = self._found()
        told = {"Content-Length": str(len(content)), "ETag": hashlib.sha256(whole).hexdigest(), "X-Repo-Commit": REVISION}
        for name, value in (told | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def model_hub(**models: Path) -> Iterator[str]:
    """The address of a hub with these models, each by its name below `owner/`."""
    with ModelHub({f"owner/{name}": folder for name, folder in models.items()}) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub.address
        hub.shutdown()

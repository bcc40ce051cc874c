"""Uploading to a hub: huggingface_hub's own client, with a server of a few lines in the place of huggingface.co."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from fairseq_budget.checkpoints import hub
from fairseq_budget.errors import BudgetError


class Hub(ThreadingHTTPServer):
    """What it was sent; a repository called `of/others` may not be written."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.answer({"error": "Repository not found"}, 404)

    def do_POST(self) -> None:
        self.server.tokens.add(self.headers["Authorization"])
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/repos/create"):
            wanted = json.loads(content)
            if wanted.get("organization") == "of":
                self.answer({"error": "You don't have the rights to create a model under the namespace"}, 403)
            else:
                self.answer({"url": f"{self.server.address}/me/model"})
        elif "/preupload/" in self.path:
            self.answer(
                {
                    "files": [
                        {**file, "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(content)["files"]
                    ]
                }
            )
        elif "/commit/" in self.path:
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer({"commitUrl": f"{self.server.address}/me/model/commit/1", "commitOid": "1" * 40})
        else:
            self.answer({})

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Hub() as hub_server:
        monkeypatch.setattr(constants, "ENDPOINT", hub_server.address)
        threading.Thread(target=hub_server.serve_forever, daemon=True).start()
        yield hub_server
        hub_server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("---\nlibrary_name: transformers\n---\n")
    (tmp_path / "model.safetensors").write_bytes(b"numbers")
    return tmp_path


def test_a_folder_becomes_a_repository(server: Hub, folder: Path) -> None:
    hub.check_push("me/model")
    assert hub.push(folder, "me/model") == f"{server.address}/me/model"
    assert server.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert server.tokens == {"Bearer hf_secret"}


def test_a_refusal_is_one_line(server: Hub, folder: Path) -> None:
    with pytest.raises(BudgetError, match=r"`of/others` can't be written \(.*403.*`huggingface-cli upload of/others"):
        hub.push(folder, "of/others")
    assert not server.files


def test_a_hub_that_cannot_be_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BudgetError, match=r"`me/model` can't be written .*is complete, so push it again"):
        hub.push(folder, "me/model")


def test_what_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(BudgetError, match="needs a token of huggingface.co: run `huggingface-cli login`, or set HF_TOKEN"):
        hub.check_push("me/model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BudgetError, match="needs the network, but HF_HUB_OFFLINE is set"):
        hub.check_push("me/model")
    with pytest.raises(BudgetError, match="`--push me/my/model` names no repository"):
        hub.check_push("me/my/model")

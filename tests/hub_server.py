"""A hub of models on this machine, for tests: answers like huggingface.co, and refuses in its own ways.

    with serve_hub(folder, cache, monkeypatch) as hub:
        LocalModel("owner/tiny").load()      # the model in `folder`; downloads go to `cache`
        hub.folder = another                 # from now on
        hub.pause_s = 0.05                   # between the pieces of a file's weights
        hub.gate.clear()                     # silent in the middle of them, and in the chunk store, until it is set

`owner/tiny` is a real model, `owner/stored` the same one with its weights in the hub's chunk store (Xet), which fails.
Other names are refused: see `_REFUSALS`. Whoever sends `WRONG_TOKEN` is let in nowhere.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WRONG_TOKEN = "hf_wrongwrongwrongwrongwrongwrongwrong"
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there."""
_PIECE = 2**15
"""Bytes of a large file that are sent at once."""

_REFUSALS = {
    "gone": (404, {"X-Error-Code": "RepoNotFound"}),
    "gated": (403, {"X-Error-Code": "GatedRepo"}),
    "token": (401, {}),
    "broken": (500, {}),
}


class Hub(BaseHTTPRequestHandler):
    """One request. `folder` holds the model."""

    folder: Path
    pause_s = 0.0
    gate: threading.Event
    asked_store: threading.Event
    """Set once the chunk store was asked for a file."""

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if WRONG_TOKEN in self.headers.get("Authorization", ""):
            return self.reply(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
        for name, (status, headers) in _REFUSALS.items():
            if f"/owner/{name}" in path:
                return self.reply(status, b"{}", headers)
        if "/xet-read-token/" in path:
            store = {
                "X-Xet-Cas-Url": f"http://{self.headers['Host']}",
                "X-Xet-Access-Token": "t",
                "X-Xet-Token-Expiration": "9999999999",
            }
            return self.reply(200, b"{}", store)
        if "/reconstructions/" in path:
            self.asked_store.set()
            self.gate.wait(30)
            return self.reply(400, b"{}")
        if "/tree/" in path:
            files = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": etag(file)}
                for file in self.folder.iterdir()
            ]
            return self.reply(200, json.dumps(files).encode())
        if "/resolve/" in path:
            file = self.folder / path.rpartition("/")[2]
            stored = "/owner/stored" in path and file.suffix == ".safetensors"
            return self.reply(200, file.read_bytes(), {"ETag": f'"{etag(file)}"', **self.where(stored)})
        siblings = [{"rfilename": file.name} for file in self.folder.iterdir()]
        return self.reply(200, json.dumps({"id": "owner/tiny", "sha": COMMIT, "siblings": siblings}).encode())

    def where(self, stored: bool) -> dict[str, str]:
        """The version of a file, and where its chunks are."""
        route = f"http://{self.headers['Host']}/api/models/owner/stored/xet-read-token/{COMMIT}"
        xet = {"X-Xet-Hash": "a" * 64, "X-Xet-Refresh-Route": route} if stored else {}
        return {"X-Repo-Commit": COMMIT, **xet}

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            for start in range(0, len(body), _PIECE):
                if start:
                    self.gate.wait(30)
                    time.sleep(self.pause_s)
                self.wfile.write(body[start : start + _PIECE])
        except OSError:
            """The reader has hung up."""


def etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@contextmanager
def serve_hub(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub whose model is in `folder`, with an empty cache."""
    events = {name: threading.Event() for name in ("gate", "asked_store")}
    handler: type[Hub] = type("LocalHub", (Hub,), {"folder": folder, **events})
    handler.gate.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        point_hub_at(f"http://127.0.0.1:{server.server_port}", cache, monkeypatch)
        try:
            yield handler
        finally:
            handler.gate.set()
            server.shutdown()
        thread.join()


def point_hub_at(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

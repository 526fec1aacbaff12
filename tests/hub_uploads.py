"""A hub of models on this machine that also takes uploads, for tests: the hub's own requests, answered as it answers.

    with serve_uploads(tmp_path, monkeypatch) as hub:
        push(folder, "owner/bot")
        LocalModel("owner/bot").load()      # what was uploaded, downloaded

Small files come inside the commit, weights as LFS objects by the git-lfs batch protocol ("basic"): an object that is
there already is not asked for again. The chunk store (Xet) has a protocol of its own and is switched off.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hub_server import COMMIT, WRONG_TOKEN, Hub, serve_hub

SENT = "ignore:Use 'content=:DeprecationWarning"
"""The hub's client sends files in a way that its HTTP library would have otherwise."""
TOKEN = "hf_goodgoodgoodgoodgoodgoodgoodgoodgo"
_MODES = {True: "lfs", False: "regular"}


class Uploads(Hub):
    """One request. Repositories are folders in `folder`: owner/name. `owner` may write, nobody else."""

    puts: list[str]
    """Objects whose content was sent."""
    private: dict[str, bool]
    fails = 0
    """How many commits are still refused, as by a hub that is out of order."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        repository = self._repository(path)
        if not repository.is_dir():
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if "/resolve/" in path:
            file = repository / path.rpartition("/")[2]
            if not file.is_file():
                return self.reply(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            body = file.read_bytes()
            tag = hashlib.sha1(body).hexdigest()
            return self.reply(200, body, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        if "/tree/" in path:
            names = sorted(file for file in repository.iterdir() if file.is_file())
            files = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40} for file in names
            ]
            return self.reply(200, json.dumps(files).encode())
        said = {"id": repository.relative_to(self.folder).as_posix(), "sha": COMMIT, "siblings": []}
        return self.reply(200, json.dumps(said).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        token = self.headers.get("Authorization", "")
        if WRONG_TOKEN in token or not token:
            return self.reply(401, b'{"error": "Invalid credentials in Authorization header"}')
        if path == "/api/validate-yaml":
            broken = "base_model: /" in json.loads(body)["content"]
            errors = [{"message": '"base_model" with value "/…" is not valid.'}] if broken else []
            return self.reply(400 if errors else 200, json.dumps({"errors": errors, "warnings": []}).encode())
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": _MODES[file["path"].endswith(".safetensors")],
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self.reply(200, json.dumps({"files": files}).encode())
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = [self._object(one) for one in json.loads(body)["objects"]]
            return self.reply(200, json.dumps({"transfer": "basic", "objects": objects}).encode())
        if path == "/verify":
            said = json.loads(body)
            whole = self._stored(said["oid"]).stat().st_size == said["size"]
            return self.reply(200 if whole else 422, b"{}")
        assert "/commit/" in path, path
        return self._commit(self._repository(path), body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        oid = self.path.rpartition("/")[2]
        assert hashlib.sha256(body).hexdigest() == oid
        self._stored(oid).parent.mkdir(exist_ok=True)
        self._stored(oid).write_bytes(body)
        self.puts.append(oid)
        self.reply(200, b"")

    def _create(self, said: dict[str, Any]) -> None:
        owner, name = said.get("organization") or "owner", said["name"]
        if owner != "owner":
            return self.reply(403, b'{"error": "You don\'t have the rights to create a model under this namespace"}')
        repository = self.folder / owner / name
        page = {"url": f"http://{self.headers['Host']}/{owner}/{name}", "name": f"{owner}/{name}"}
        if repository.is_dir():
            return self.reply(409, json.dumps({"error": "You already created this model repo", **page}).encode())
        repository.mkdir(parents=True)
        self.private[f"{owner}/{name}"] = said.get("visibility") == "private" or bool(said.get("private"))
        return self.reply(200, json.dumps(page).encode())

    def _object(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is to be done with an object: nothing where it is there already."""
        oid, host = wanted["oid"], f"http://{self.headers['Host']}"
        if self._stored(oid).is_file():
            return {"oid": oid, "size": wanted["size"]}
        actions = {"upload": {"href": f"{host}/objects/{oid}"}, "verify": {"href": f"{host}/verify"}}
        return {"oid": oid, "size": wanted["size"], "actions": actions}

    def _commit(self, repository: Path, body: bytes) -> None:
        if self.fails:
            type(self).fails -= 1
            return self.reply(400, b'{"error": "out of order"}')
        for line in body.splitlines():
            said = json.loads(line)
            value = said["value"]
            if said["key"] == "file":
                (repository / value["path"]).write_bytes(base64.b64decode(value["content"]))
            elif said["key"] == "lfsFile":
                (repository / value["path"]).write_bytes(self._stored(value["oid"]).read_bytes())
        page = f"http://{self.headers['Host']}/{repository.relative_to(self.folder).as_posix()}"
        return self.reply(200, json.dumps({"commitUrl": f"{page}/commit/{COMMIT}", "commitOid": COMMIT}).encode())

    def _repository(self, path: str) -> Path:
        parts = path.removeprefix("/api/models").strip("/").split("/")
        return self.folder / parts[0] / parts[1].removesuffix(".git")

    def _stored(self, oid: str) -> Path:
        return self.folder / ".objects" / oid


@contextmanager
def serve_uploads(folder: Path, monkeypatch: pytest.MonkeyPatch, token: str = TOKEN) -> Iterator[type[Uploads]]:
    """A hub whose repositories lie in `folder`; `token` is the one of this machine, none where it is empty."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-token"))
    monkeypatch.setenv("HF_TOKEN", token)
    repositories = folder / "repositories"
    repositories.mkdir()
    with serve_hub(repositories, folder / "cache", monkeypatch, Uploads) as hub:
        assert issubclass(hub, Uploads)
        hub.puts, hub.private = [], {}
        yield hub

"""Nothing but the one way out opens a connection: what the source says, and what the running app does.

python -m pytest tests/test_network.py
"""

from __future__ import annotations

import ast
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client

_ROOT = Path(__file__).parent.parent
_NOT_THE_APP = ("tests", "evaluation", "finetune")

_NETWORK = frozenset(
    """
    socket _socket ssl _ssl socketserver http urllib.request urllib.robotparser ftplib smtplib poplib imaplib nntplib
    telnetlib xmlrpc asyncio multiprocessing.connection webbrowser
    httpx httpx2 httpcore httpcore2 h11 h2 requests urllib3 aiohttp websocket websockets anyio trio pycurl paramiko grpc
    pymilvus boto3 dns safehttpx gradio gradio_client huggingface_hub wikipediaapi feedparser uvicorn starlette fastapi
    torch.hub torch.distributed transformers.pipeline
    """.split()  # noqa: SIM905  # a list of that length would fill the page
)
"""What can open or accept a connection."""
_PROGRAMS = frozenset(["subprocess", "pty", "ctypes", "cffi"])
_PARSER = "retrieval/parsing.py"
_NATIVE = frozenset(["retrieval/formats/pdf_words.py", "heap.py"])
"""Hand buffers to PDFium, in the process that reads files, and ask the C library to give memory back."""
_PROGRAM_CALLS = ("system", "popen", "fork", "forkpty", "posix_spawn", "exec", "spawn")
"""What can start a program, which could open one."""

_ALLOWED: dict[str, tuple[set[str], str]] = {
    "retrieval/fetch.py": ({"httpcore", "httpx", "socket", "ssl"}, "the one way out"),
    "retrieval/connection.py": ({"httpcore", "socket", "ssl"}, "its connections, checked"),
    "retrieval/body.py": ({"httpcore"}, "reads its answers"),
    "retrieval/address.py": ({"httpx"}, "takes URLs apart"),
    "retrieval/feeds.py": ({"feedparser"}, "reads feeds from bytes, which fetch.py carries"),
    "retrieval/wikipedia.py": ({"wikipediaapi"}, "writes queries and reads answers, which fetch.py carries"),
    "retrieval/milvus_client.py": ({"grpc", "pymilvus"}, "asks the operator's own Milvus, where --index names one"),
    "retrieval/milvus_rows.py": ({"pymilvus"}, "says which fields its collections have"),
    "chat/remote_http.py": ({"httpx", "socket"}, "asks the operator's own model server"),
    "chat/hub.py": ({"httpx2", "huggingface_hub"}, "downloads the model that was chosen, by the hub's own client"),
    "encoder.py": ({"httpx2", "huggingface_hub"}, "downloads the encoder of --encoder where it is a hub id"),
    "app.py": ({"gradio", "socket"}, "listens, and tries whether the port is free"),
    "serving/health.py": ({"starlette"}, "answers /healthz"),
    "serving/operator.py": ({"starlette"}, "answers /moderation"),
    "ui/fetching.py": ({"gradio", "httpx", "safehttpx"}, "closes Gradio's own way out"),
}
"""Every module of the app that may, what it uses and why. The page, `ui/`, may use Gradio, which listens."""


def test_no_other_module_can_open_a_connection() -> None:
    page = {place for place, used in _users().items() if place.startswith("ui/") and used == {"gradio"}}
    assert {place: used for place, used in _users().items() if place not in page} == {
        place: used for place, (used, _) in _ALLOWED.items()
    }


def test_models_are_read_from_folders() -> None:
    """Given anything but a folder, `from_pretrained` would ask the hub."""
    calls = [node for _, tree in _app() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [ast.unparse(call.args[0]) for call in calls if _called(call.func) == "from_pretrained"]
    assert len(given) > 4
    assert set(given) == {"folder"}


def test_no_module_starts_a_program() -> None:
    """But for the one that reads files in a process of its own, which runs nothing else than this app's Python."""
    for place, tree in _app():
        if place == _PARSER:
            started = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _called(n.func) in ("Popen", "run")]
            assert [ast.unparse(call.args[0]) for call in started] == ["[sys.executable, '-m', 'retrieval.formats']"]
            continue
        modules = _imported(tree)
        programs = {module for module in modules if _is_one_of(module, _PROGRAMS)}
        assert programs == ({"ctypes"} if place in _NATIVE else set()), place
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                assert not node.attr.startswith(_PROGRAM_CALLS), f"{place}: os.{node.attr}"


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import http.client as h",
        "from urllib import request",
        "from urllib.request import urlopen",
        "import importlib; importlib.import_module('requests')",
        "__import__('socket')",
        "from torch import hub",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert any(_is_one_of(module, _NETWORK) for module in _imported(ast.parse(source)))


def _users() -> dict[str, set[str]]:
    """What every module of the app uses of the network."""
    found: dict[str, set[str]] = {}
    for place, tree in _app():
        used = {name for module in _imported(tree) for name in _NETWORK if _is_one_of(module, frozenset({name}))}
        if used:
            found[place] = used
    return found


def _app() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(_ROOT.rglob("*.py")):
        place = path.relative_to(_ROOT)
        if place.parts[0] not in _NOT_THE_APP and not place.parts[0].startswith(".") and place.parts[0] != "var":
            yield place.as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _imported(tree: ast.AST) -> set[str]:
    """Every module that may be imported, `from a import b` as `a.b` too. A name that is made up while running fails."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and _called(node.func) in ("__import__", "import_module"):
            found.add(_written_out(node.args[0]))
    return found


def _written_out(name: ast.expr) -> str:
    """The name of a module; of one in a package of the app, which is looked through itself, its beginning is enough."""
    if isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
        begun = str(name.values[0].value)
        assert (_ROOT / begun.rstrip(".").replace(".", "/")).is_dir()
        assert begun.endswith(".")
        return begun
    assert isinstance(name, ast.Constant), "a module is imported by a name that is not written out"
    return str(name.value)


def _called(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _is_one_of(module: str, wanted: frozenset[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[: i + 1]) in wanted for i in range(len(parts)))


# What the running app does. An audit hook in every Python process that it starts writes down each attempt.

_HOOK = """
import json, os, sys

def _noted(event, args):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.bind", "socket.gethostname"):
        what = args[0] if event.startswith("socket.get") else args[1:] and args[1]
        line = json.dumps([event, what if isinstance(what, str) else list(what or [])], default=str)
        file = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode() + b"\\n")
        os.close(file)

sys.addaudithook(_noted)
"""


@dataclass(frozen=True, slots=True)
class Watched:
    url: str
    log: Path

    def attempts(self) -> list[tuple[str, Any]]:
        """(event, address or name) of everything that was tried so far."""
        if not self.log.exists():
            return []
        return [(event, what) for event, what in map(json.loads, self.log.read_text().splitlines())]

    def elsewhere(self) -> list[tuple[str, Any]]:
        """Of those, what would leave this machine."""
        return [attempt for attempt in self.attempts() if not _is_here(attempt[1])]


def _is_here(what: Any) -> bool:
    name = what if isinstance(what, str) else str(what[0]) if what else ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.startswith("/")  # a socket of the file system


def _environment(folder: Path) -> tuple[dict[str, str], Path]:
    log = folder / "attempts"
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(_HOOK.replace("{log!r}", repr(str(log))))
    return {**os.environ, "PYTHONPATH": str(folder / "hook"), "OMP_NUM_THREADS": "1"}, log


def test_the_hook_sees_every_attempt(tmp_path: Path) -> None:
    environment, log = _environment(tmp_path)
    for code in (
        "import socket; socket.socket().connect_ex(('192.0.2.1', 9))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.2', 9))",
        "import urllib.request; urllib.request.urlopen('http://name.invalid/')",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', "
        "'import socket; socket.socket().connect_ex((\"192.0.2.3\", 9))'])",
    ):
        limited = f"import socket; socket.setdefaulttimeout(0.01); {code}"
        subprocess.run([sys.executable, "-c", limited], env=environment, capture_output=True, timeout=60, check=False)
    names = [what if isinstance(what, str) else what[0] for _, what in Watched("", log).elsewhere()]
    assert names == ["192.0.2.1", "192.0.2.2", "name.invalid", "192.0.2.3"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The app as people start it, without a network, with a folder and a list of shared documents."""
    folder = tmp_path_factory.mktemp("watched")
    environment, log = _environment(folder)
    (folder / "documents").mkdir()
    (folder / "documents" / "rules.md").write_text("# House rules\n\nThe kitchen closes at nine.\n")
    (folder / "urls.txt").write_text("https://listed.example.org/page.html\n")
    flags = ["--port", "0", "--network", "off", "--data-dir", str(folder / "data"), "--model", "reader"]
    flags += ["--documents-folder", str(folder / "documents"), "--documents-urls", str(folder / "urls.txt")]
    with _started([sys.executable, "-u", "app.py", *flags], environment) as url:
        yield Watched(url, log)


@contextmanager
def _started(command: list[str], environment: dict[str, str]) -> Iterator[str]:
    app = subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert app.stdout is not None
    try:
        said = []
        for line in app.stdout:
            said.append(line)
            if line.startswith("Answers are ready."):
                break
        else:
            raise RuntimeError("The app did not start:\n" + "".join(said))
        yield next(line.split()[-1] for line in said if line.startswith("Groundchat is open at"))
    finally:
        app.terminate()
        app.communicate(timeout=30)


def test_an_answer_from_every_source_leaves_nothing(watched: Watched) -> None:
    client = Client(watched.url, verbose=False)
    answered = client.predict("Who discovered penicillin?", api_name="/chat")
    assert "Fleming" in answered["reply"]
    shared = client.predict("When does the kitchen close?", retrieval=["shared", "library"], api_name="/chat")
    assert "nine" in shared["reply"]
    assert client.predict("kitchen", ["shared"], api_name="/search")
    client.close()
    assert watched.attempts()  # Gradio asks itself whether it is there
    assert watched.elsewhere() == []


def test_no_input_of_any_handler_makes_gradio_fetch(watched: Watched) -> None:
    """Gradio would download what is named by a URL, for every input, before the handler is even called."""
    config = httpx.get(f"{watched.url}config").json()
    told = []
    for handler in config["dependencies"]:
        named = {"path": f"http://named-{handler['id']}.example.org/a.txt", "meta": {"_type": "gradio.FileData"}}
        for given in (named, [{"a": named}]):
            if handler["inputs"]:
                told.append(_called_with(watched.url, handler, given))
    assert told and set(told) == {"Files are uploaded here, not fetched from an address."}
    assert watched.elsewhere() == []


def test_no_event_asks_for_forms_of_sources(watched: Watched) -> None:
    """Gradio wrote a warning to the log for each: there was no place for what they gave."""
    events = httpx.get(f"{watched.url}config").json()["dependencies"]
    asked = [event["targets"] for event in events if not event["outputs"]]
    assert sorted(name for targets in asked for _, name in targets) == ["click", "stop"]


def _called_with(url: str, handler: dict[str, Any], given: Any) -> str:
    """The error that a call of a handler ends with."""
    session = f"s{handler['id']}{len(str(given))}"
    call = {"data": [given] * len(handler["inputs"]), "fn_index": handler["id"], "session_hash": session}
    httpx.post(f"{url}gradio_api/queue/join", json=call).raise_for_status()
    with httpx.stream("GET", f"{url}gradio_api/queue/data", params={"session_hash": session}, timeout=30) as events:
        for line in events.iter_lines():
            said = json.loads(line.removeprefix("data: ")) if line else {}
            if said.get("msg") == "process_completed":
                return str(said["output"].get("error"))
    return "no answer"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "proxy=http://proxied.example.org/"),
        ("GET", "proxy=https://proxied.hf.space/"),
        ("GET", "file=http://filed.example.org/a.txt"),
        ("HEAD", "file=https://filed.example.org/a.txt"),
        ("GET", "file=https://huggingface.co/a.txt"),
        ("GET", "file/http://filed.example.org/a.txt"),
        ("GET", "stream/http://streamed.example.org/a.ts"),
        ("GET", "run-history/buckets"),
        ("POST", "run-history/connect"),
        ("POST", "vibe-edit"),
        ("POST", "vibe-starter-queries"),
    ],
)
def test_no_route_of_gradios_fetches(watched: Watched, method: str, path: str) -> None:
    body = {"prompt": "make it blue", "code": "", "bucket_id": "somebody/bucket"}
    answered = httpx.request(method, f"{watched.url}gradio_api/{path}", json=body if method == "POST" else None)
    assert answered.status_code >= 400
    assert watched.elsewhere() == []

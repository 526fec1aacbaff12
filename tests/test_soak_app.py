"""Long runs over HTTP: the app as people start it, with a model that never ends an answer by itself. make soak"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from gradio_client import Client

import evaluation.served
from evaluation.startup import free_port
from tests.conftest import wait_until_ready
from tests.tiny_model import make_endless_model

pytestmark = pytest.mark.soak

_CHATS, _TURNS, _AT_ONCE = 20, 10, 4
_TOKENS = 60
_VECTORS_S = 240
_ENDLESS = 2000
_ASKED: tuple[Any, ...] = ("Tell me everything", "", [], False, 1.0, 0, 1.0, _ENDLESS, None, "", None, None, None)
"""What /chat is given, in its order."""
_IDLE = 0.2
"""Cores that a server takes at most while nobody is answered; one answer takes most of a core."""


@dataclass(frozen=True, slots=True)
class Served:
    """The app, ready, with its model loaded."""

    url: str
    process: psutil.Process

    def client(self) -> Client:
        return Client(self.url, verbose=False)

    def memory(self) -> int:
        return int(self.process.memory_info().rss)

    def cores(self, seconds: float = 1.0) -> float:
        """Cores in use on average from now on."""
        before = sum(self.process.cpu_times()[:2])
        time.sleep(seconds)
        return float(sum(self.process.cpu_times()[:2]) - before) / seconds


@contextmanager
def served(folder: Path, users: int) -> Iterator[Served]:
    model, port = make_endless_model(folder / "model"), free_port()
    url = f"http://127.0.0.1:{port}/"
    flags = ["--port", str(port), "--data-dir", str(folder / "data"), "--model", str(model), "--users", str(users)]
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(
            [sys.executable, "app.py", *flags, "--max-new-tokens", str(_ENDLESS), "--dtype", "float32"],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(app, f"{url}healthz", folder / "log")
            server = Served(url, psutil.Process(app.pid))
            client = server.client()
            until = time.monotonic() + 60
            while _said(client, "Hello!", 8) == _said(client, "Hello!", 8):  # the reader says the same each time
                assert time.monotonic() < until, (folder / "log").read_text(encoding="utf-8")
            client.close()
            while server.cores() > _IDLE:  # the library's vectors still follow
                assert time.monotonic() < until + _VECTORS_S, "the vectors do not end"
            yield server
        finally:
            app.terminate()
            app.wait(60)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("shared"), users=16) as server:
        yield server


def _said(client: Client, message: str, tokens: int) -> str:
    reply = client.predict(message, retrieval=[], temperature=1.0, max_new_tokens=tokens, api_name="/chat")
    return str(reply["reply"])


def test_two_hundred_turns_in_twenty_chats_leave_the_memory_as_it_was(shared: Served) -> None:
    clients = [shared.client() for _ in range(_AT_ONCE)]
    free = iter(itertools.cycle(clients))
    chats = [""] * _CHATS

    def turn(chat: int, client: Client) -> None:
        reply = client.predict(
            f"Chat {chat}: and then?", chats[chat], temperature=1.0, max_new_tokens=_TOKENS, api_name="/chat"
        )
        chats[chat] = reply["conversation_id"]

    sizes = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in range(_TURNS):
            list(pool.map(turn, range(_CHATS), [next(free) for _ in range(_CHATS)]))
            sizes.append(shared.memory())
    for client in clients:
        client.close()
    print("MB after each 20 turns:", [round(size / 1e6) for size in sizes])
    assert sizes[-1] <= 1.05 * sizes[0]


def _call(url: str, client: httpx.Client) -> Iterator[str]:
    """Lines of an answer as `curl` gets them."""
    event = client.post(f"{url}gradio_api/call/chat", json={"data": _ASKED}).json()["event_id"]
    with client.stream("GET", f"{url}gradio_api/call/chat/{event}") as answer:
        yield from answer.iter_lines()


def _page(url: str, client: httpx.Client) -> Iterator[str]:
    """Lines of an answer as a browser's tab gets them: one connection for all that a session asked."""
    session = uuid.uuid4().hex
    config = client.get(f"{url}config").json()
    number = next(n["id"] for n in config["dependencies"] if n["api_name"] == "chat")
    asked = {"data": _ASKED, "fn_index": number, "session_hash": session}
    client.post(f"{url}gradio_api/queue/join", json=asked).raise_for_status()
    with client.stream("GET", f"{url}gradio_api/queue/data", params={"session_hash": session}) as answer:
        yield from answer.iter_lines()


def _is_text(line: str) -> bool:
    if not line.startswith("data: "):
        return False
    said: Any = json.loads(line[6:])
    return bool(said) and (isinstance(said, list) or said.get("msg") == "process_generating")


@pytest.mark.parametrize("lines", [_call, _page])
def test_fifty_clients_who_vanish_leave_nothing_running(
    shared: Served, lines: Callable[[str, httpx.Client], Iterator[str]]
) -> None:
    def vanish(number: int) -> int:
        with httpx.Client(timeout=60) as client:
            pieces = 0
            for line in lines(shared.url, client):
                pieces += _is_text(line)
                if pieces > number % 4:
                    break
            return pieces

    with ThreadPoolExecutor(50) as pool:
        assert all(list(pool.map(vanish, range(50))))
    shared.cores(0.5)
    left = shared.cores()
    print(f"{left:.2f} cores afterwards")
    assert left < _IDLE


def test_a_cancelled_answer_makes_room_for_the_next_within_half_a_second(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """There is one place. Whoever waits for it gets a first text at once when the answer in it is cancelled."""
    longest = 0.0
    with served(tmp_path_factory.mktemp("alone"), users=1) as alone:
        first, second = alone.client(), alone.client()
        for number in range(30):
            told = {"retrieval": [], "moderation": False, "temperature": 1.0, "api_name": "/chat"}
            under_way = first.submit(f"Go on {number}", max_new_tokens=_ENDLESS, **told)
            next(iter(under_way))
            waits = second.submit(f"And I {number}", max_new_tokens=8, **told)
            done = threading.Event()
            threading.Thread(target=lambda job=waits, done=done: (job.result(30), done.set())).start()
            assert not done.wait(0.3), "there was a second place"
            began = time.perf_counter()
            under_way.cancel()
            assert done.wait(10)
            longest = max(longest, time.perf_counter() - began)
        first.close()
        second.close()
    print(f"longest {longest:.3f} s, with the next answer's eight tokens")
    assert longest < 0.5


def test_speed_over_http_is_measured_beside_a_plain_app(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--users", "1,2", "--rounds", "1", "--tokens", "16", "--prompt", "8", "--settle", "0", "--json"]
    assert evaluation.served.main(flags) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["users"]
    assert list(rows) == ["1", "2"]
    for row in rows.values():
        assert min(row["tokens_per_s"], row["plain_tokens_per_s"]) > 0
        assert row["ratio"] == pytest.approx(row["tokens_per_s"] / row["plain_tokens_per_s"], rel=0.01)

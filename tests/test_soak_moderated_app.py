"""The whole app, while the moderator it asks is killed, stopped and started again under load: make soak"""

from __future__ import annotations

import itertools
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from gradio_client import Client

from evaluation.startup import free_port, serving
from tests.chat_server import ChatServer
from tests.moderator_process import MODEL

pytestmark = pytest.mark.soak

_FAILURES, _READERS, _LIMIT_S = 100, 6, 1.0
_SENTENCE = re.compile(r"Answer \d+ says in sentence \d+ that all is well\.")


class _Answers(list[str]):
    """What the chat model says, without end: sentences that name themselves, so that each one can be looked up."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    def pop(self, index: object = 0) -> str:
        number = next(self._numbers)
        return " ".join(f"Answer {number} says in sentence {sentence} that all is well." for sentence in range(8))


class _Moderator:
    """The moderator's process."""

    def __init__(self, port: int, judged: Path) -> None:
        self.port, self.judged = port, judged
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "tests.moderator_process", str(self.port), str(self.judged)])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stall(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def recover(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        else:
            self._process = self._started()


def _read(port: int, shown: set[str], refused: list[str], stop: threading.Event) -> None:
    """Ask one question after the other, and keep every sentence that ever reaches the client."""
    client = Client(f"http://127.0.0.1:{port}", verbose=False)
    while not stop.is_set():
        job = client.submit("Is all well?", "", [], api_name="/chat")
        for said in job:
            shown.update(_SENTENCE.findall(said["reply"]))
        if said["verdict"]["outcome"] != "answered":
            refused.append(said["verdict"]["outcome"])


def test_no_unchecked_sentence_leaves_the_app_whatever_happens_to_its_moderator(tmp_path: Path) -> None:
    judged = tmp_path / "judged.jsonl"
    app, chance = free_port(), random.Random(0)
    stop, refused = threading.Event(), list[str]()
    shown = [set[str]() for _ in range(_READERS)]
    with ExitStack() as stack:
        chat = stack.enter_context(ChatServer())
        chat.mode, chat.says = "said", _Answers()
        moderator = _Moderator(free_port(), judged)
        stack.callback(moderator.kill)
        flags = ["--port", str(app), "--data-dir", str(tmp_path / "data"), "--model", chat.url]
        flags += ["--moderators", f"http://127.0.0.1:{moderator.port}/v1#{MODEL}"]
        flags += ["--moderation-limit-s", str(_LIMIT_S), "--network", "off"]
        stack.enter_context(serving([sys.executable, "app.py", *flags], app))
        readers = [threading.Thread(target=_read, args=(app, mine, refused, stop)) for mine in shown]
        for reader in readers:
            reader.start()
        _until(lambda: bool(set().union(*shown)))
        for _ in range(_FAILURES):
            time.sleep(chance.uniform(0.1, 0.6))
            chance.choice((moderator.kill, moderator.stall))()
            time.sleep(chance.uniform(0.1, 1.5))
            moderator.recover()
        stop.set()
        for reader in readers:
            reader.join(60)
        assert not any(reader.is_alive() for reader in readers)
    sentences = set().union(*shown)
    seen = "\n".join(json.dumps(json.loads(line), ensure_ascii=False) for line in judged.read_text().splitlines())
    checked = set(_SENTENCE.findall(seen))
    print(f"{len(sentences):,} sentences shown, {len(checked):,} checked, {len(refused)} answers withheld or withdrawn")
    assert len(sentences) > 500 and len(refused) > _FAILURES / 2
    assert sentences - checked == set()


def _until(happened: Callable[[], bool], longest_s: float = 120.0) -> None:
    """Wait for what takes as long as an app takes to start."""
    deadline = time.monotonic() + longest_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)

"""The whole app as a Space with ZeroGPU runs it, with all of `spaces` but the GPU itself.

python -m pytest tests/test_zerogpu_app.py
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from evaluation.startup import free_port
from tests.tiny_model import DIALOGUES, shared_tiny_model
from tests.zerogpu_space import Scheduler, environment, refusal

_ROOT = Path(__file__).parent.parent
_START_S = 120
VISITOR = f"h.{base64.urlsafe_b64encode(b'{}').decode()}.s"
"""The token by which ZeroGPU knows whose time on a GPU it is; its proxy sends it along with every request."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    with Scheduler() as scheduler:
        yield scheduler


@pytest.fixture(scope="module")
def visitor(scheduler: Scheduler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Somebody at the page of an app whose chat model is loaded."""
    model = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    folder, port = tmp_path_factory.mktemp("space"), free_port()
    flags = ["--port", str(port), "--data-dir", str(folder / "data"), "--model", str(model), "--temperature", "0"]
    variables = {**os.environ, **environment(scheduler, folder), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(
            [sys.executable, "-m", "tests.zerogpu_space", *flags, "--dtype", "float32"],
            cwd=_ROOT,
            env=variables | {"SPACE_ID": "someone/groundchat"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        client: Client | None = None
        try:
            url = f"http://127.0.0.1:{port}/"
            until = time.monotonic() + _START_S
            while not _healthy(url):
                assert app.poll() is None and time.monotonic() < until, (folder / "log").read_text(encoding="utf-8")
                time.sleep(0.1)
            client = Client(url, headers={"x-ip-token": VISITOR}, verbose=False)
            while not scheduler.calls:  # until then the reader answers
                assert time.monotonic() < until, (folder / "log").read_text(encoding="utf-8")
                client.predict("Hello!", retrieval=[], api_name="/chat")
            yield client
        finally:
            if client is not None:
                client.close()
            app.terminate()
            app.wait(30)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}healthz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_page_opens_with_something_for_zerogpu_to_lend_to(scheduler: Scheduler, visitor: Client) -> None:
    assert scheduler.reports == 1


@pytest.mark.parametrize(("question", "wanted"), DIALOGUES[:4])
def test_an_answer_comes_from_a_lent_gpu_piece_by_piece(
    scheduler: Scheduler, visitor: Client, question: str, wanted: str
) -> None:
    before = len(scheduler.calls)
    replies = [said["reply"] for said in visitor.submit(question, retrieval=[], api_name="/chat")]
    assert replies[-1] == wanted
    assert all(wanted.startswith(reply) for reply in replies)
    assert len(scheduler.calls) == before + 1
    assert scheduler.calls[-1].asked["token"] == VISITOR
    scheduler.wait_for(lambda: scheduler.calls[-1].failed is False)


def test_a_visitor_without_time_left_is_told(scheduler: Scheduler, visitor: Client) -> None:
    scheduler.answers.append(refusal(429, left=3, wait=5400))
    with pytest.raises(AppError, match="time on ZeroGPU's GPUs is used up; try again in 1:30:00"):
        visitor.predict("Hello!", retrieval=[], api_name="/chat")
    assert visitor.predict("Hello!", retrieval=[], api_name="/chat")["reply"] == DIALOGUES[0][1]

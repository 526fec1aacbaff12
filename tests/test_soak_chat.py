"""Long runs of the engine: make soak"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chat.base import Sampling
from chat.batching import BatchedDecoder
from chat.local import LocalModel
from tests.batched import generated, ids, job, network, seeded, until
from tests.tiny_model import ask, make_tiny_model, ready, text

pytestmark = pytest.mark.soak

_CHATS, _TURNS, _AT_ONCE = 20, 10, 4


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with seeded():
        yield


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """Random weights: answers go on to their longest."""
    return ready(make_tiny_model(tmp_path_factory.mktemp("wild"), chat_template=True, steps=0))


def test_two_hundred_turns_leave_the_memory_as_it_was(wild: LocalModel) -> None:
    """After the first twenty turns, resident memory stays within 5 %."""
    chats: list[list[str]] = [[f"Chat {n}"] for n in range(_CHATS)]
    sampling = Sampling(temperature=1.0, top_k=40, max_new_tokens=60)

    def turn(chat: list[str]) -> None:
        chat.append(text(list(wild.stream(ask(*chat, sampling=sampling)))) or "nothing")
        chat.append("And then?")

    def all_turn() -> None:
        for start in range(0, _CHATS, _AT_ONCE):
            threads = [threading.Thread(target=turn, args=(chat,)) for chat in chats[start : start + _AT_ONCE]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    process = psutil.Process()
    sizes = []
    for _ in range(_TURNS):
        all_turn()
        gc.collect()
        sizes.append(process.memory_info().rss)
    print([round(size / 1e6) for size in sizes])
    assert sizes[-1] <= 1.05 * sizes[0]


def test_every_cancelled_request_is_gone_within_half_a_second(wild: LocalModel) -> None:
    decoder = wild._decoder
    assert isinstance(decoder, BatchedDecoder)
    longest = 0.0
    for number in range(100):
        request = ask(f"Question {number}", sampling=Sampling(temperature=1.0, max_new_tokens=2000))
        stream = wild.stream(request)
        next(chunk for chunk in stream if chunk.text)
        request.cancel.set()
        began = time.perf_counter()
        until(lambda: decoder.busy == 0)
        longest = max(longest, time.perf_counter() - began)
        assert [chunk.finish for chunk in stream][-1] is not None
    print(f"longest {longest:.3f} s")
    assert longest < 0.5


_LEAVES = """
import threading
from chat.batching import BatchedDecoder
from tests.batched import ids, job, network, until
decoder = BatchedDecoder(network("GPTNeoX", max_position_embeddings=4096))
threading.Thread(target=lambda: list(decoder.write(job(ids(5), 3000))), daemon=True).start()
until(lambda: decoder.busy == 1)
"""


def test_the_program_can_end_in_the_middle_of_an_answer() -> None:
    """A daemon thread inside the network would abort the process."""
    ended = subprocess.run([sys.executable, "-c", _LEAVES], cwd=Path(__file__).parent.parent, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_fifty_clients_who_vanish_leave_nothing_running() -> None:
    net = network("GPTNeoX", max_position_embeddings=4096)
    decoder = BatchedDecoder(net, most_rows=16)
    threads = []

    def vanish(number: int) -> None:
        stream = decoder.write(job(ids(5 + number, seed=number), 3000))
        for _, _token in zip(range(3 + number % 7), stream, strict=False):
            pass

    for number in range(50):
        threads.append(threading.Thread(target=vanish, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join(120)
    until(lambda: decoder.busy == 0)
    assert [t for t in decoder.write(job(ids(4), 5)) if isinstance(t, int)] == generated(net, ids(4), 5)

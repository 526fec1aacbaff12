"""What a batch does without memory and when the network fails: told to whom it concerns, and nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chat import batching
from chat.batching import BatchedDecoder
from errors import ModelError
from tests.batched import Watched, first_token, generated, ids, job, network, seeded, until, written
from tests.facts import check_told


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with seeded():
        yield


@pytest.fixture(scope="module")
def net() -> Any:
    return network("GPTNeoX", max_position_embeddings=4096)


def test_who_does_not_fit_waits_until_there_is_memory(net: Any) -> None:
    decoder = BatchedDecoder(net, most_rows=8, most_tokens=600)
    jobs = [job(ids(100 + n, seed=n), 100) for n in range(6)]
    with Watched(net) as watched:
        found = written(decoder, jobs)
    assert found == [generated(net, one.ids, 100) for one in jobs]
    assert max(rows for rows, _ in watched.passes) == 2
    with pytest.raises(ModelError, match="takes 700 tokens and there is memory for 600") as raised:
        next(decoder.write(job(ids(500), 200)))
    check_told(raised.value, "700", "600")


def test_a_long_chat_does_not_keep_short_ones_out_for_good(net: Any) -> None:
    decoder = BatchedDecoder(net, most_rows=8, most_tokens=2048)
    written(decoder, [job(ids(1500), 10)])
    with Watched(net) as watched:
        written(decoder, [job(ids(30, seed=n), 40) for n in range(6)])
    assert max(rows for rows, _ in watched.passes) >= 5


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
            "no memory left for a conversation of 300 tokens",
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), r"failed while reading \(RuntimeError\)"),
    ],
)
def test_a_prompt_that_fails_takes_nobody_with_it(
    net: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    monkeypatch.setattr(batching.logger, "exception", lambda *_: None)
    decoder = BatchedDecoder(net)
    forward = decoder._forward

    def failing(given: Any, places: Any, length: int) -> Any:
        if given.shape[1] > 200:
            raise error
        return forward(given, places, length)

    monkeypatch.setattr(decoder, "_forward", failing)
    beside = decoder.write(job(ids(4), 50))
    begun = [first_token(beside)]
    with pytest.raises(ModelError, match=sentence) as raised:
        list(decoder.write(job(ids(300), 5)))
    check_told(raised.value)
    assert [t for t in (*begun, *beside) if isinstance(t, int)] == generated(net, ids(4), 50)
    assert decoder.busy == 0


def test_a_failing_step_is_told_to_all_and_the_next_ones_are_answered(
    net: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching.logger, "exception", lambda *_: None)
    decoder = BatchedDecoder(net)

    def fail() -> None:
        raise RuntimeError("a broken kernel")

    with Watched(net, at=9, act=fail), pytest.raises(ModelError, match=r"failed while writing \(RuntimeError\)"):
        list(decoder.write(job(ids(4), 50)))
    until(lambda: decoder.busy == 0)
    assert written(decoder, [job(ids(4), 50)])[0] == generated(net, ids(4), 50)


def test_no_memory_for_a_row_is_told_or_waited_for(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = BatchedDecoder(net)
    resize = decoder._table.store.resize

    def scarce(count: int, capacity: int) -> None:
        if count * capacity > 256:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        resize(count, capacity)

    monkeypatch.setattr(decoder._table.store, "resize", scarce)
    jobs = [job(ids(20, seed=n), 20) for n in range(3)]
    assert written(decoder, jobs) == [generated(net, one.ids, 20) for one in jobs]
    with pytest.raises(ModelError, match="no memory left for a conversation of 400 tokens"):
        list(decoder.write(job(ids(400), 5)))
    assert written(decoder, jobs[:1])[0] == generated(net, jobs[0].ids, 20)


def test_numbers_that_are_none_end_only_the_answer_they_are_in(net: Any) -> None:
    decoder = BatchedDecoder(net)
    poisoned = threading.Event()

    def spoil(_: Any, __: Any, output: Any) -> None:
        if poisoned.is_set() and output.logits.shape[0] == 2:
            output.logits[1] = float("nan")

    hook = net.register_forward_hook(spoil)
    try:
        first, second = decoder.write(job(ids(4), 400)), decoder.write(job(ids(5), 400))
        begun = [first_token(first)]
        first_token(second)
        poisoned.set()
        with pytest.raises(ModelError, match="load it as float32"):
            list(second)
        assert [t for t in (*begun, *first) if isinstance(t, int)] == generated(net, ids(4), 400)
    finally:
        hook.remove()

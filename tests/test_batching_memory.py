"""Memory that runs out in the middle of a batch: whoever can be answered is, and with the same tokens as alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from chat import rows, sampler
from chat.base import Sampling
from chat.batching import BatchedDecoder
from chat.decoding import Job
from chat.plain import PlainDecoder
from errors import ModelError
from tests.batched import GREEDY, first_token, generated, ids, job, network, seeded, until, written
from tests.facts import check_told

FULL = "CUDA out of memory. Tried to allocate 2 GiB"
WILD = Sampling(temperature=1.3, top_k=30, top_p=0.9, repetition_penalty=1.3, no_repeat_ngram=3, seed=4)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with seeded():
        yield


@pytest.fixture(scope="module")
def net() -> Any:
    return network("GPTNeoX", max_position_embeddings=4096)


@contextmanager
def scarce(net: Any, too_much: Callable[[int, int, int], bool]) -> Iterator[list[tuple[int, int, int]]]:
    """A network that has no memory for some passes, by rows, their new tokens and all of them; others are noted."""
    passes: list[tuple[int, int, int]] = []

    def look(_: Any, __: Any, options: dict[str, Any]) -> None:
        read = *options["input_ids"].shape, int(options["position_ids"].max()) + 1
        if too_much(*read):
            raise RuntimeError(FULL)
        passes.append(read)

    hook = net.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()


def alone(net: Any, one: Job) -> list[int]:
    return [token for token in PlainDecoder(net).write(one) if isinstance(token, int)]


def some(count: int) -> list[Job]:
    """Answers of several lengths, every other one with all options."""
    return [job(ids(5 + 7 * n, seed=n), 30 + n, WILD if n % 2 else GREEDY) for n in range(count)]


def test_whoever_is_too_many_for_a_step_pauses_and_all_are_answered(net: Any) -> None:
    decoder, jobs = BatchedDecoder(net), some(6)
    wanted = [alone(net, one) for one in jobs]
    with scarce(net, lambda rows, new, tokens: rows > 2) as passes:
        assert written(decoder, jobs) == wanted
    assert max(rows for rows, *_ in passes) == 2
    until(lambda: decoder.busy == 0)
    with scarce(net, lambda rows, new, tokens: False) as passes:
        assert written(decoder, jobs) == wanted
    assert max(rows for rows, *_ in passes) > 2, "what was scarce once is tried again"


def test_one_that_is_too_long_even_alone_is_told_and_the_others_are_answered(net: Any) -> None:
    decoder, jobs = BatchedDecoder(net), some(4)
    wanted = [alone(net, one) for one in jobs]
    long = job(ids(200, seed=9), 300)
    with scarce(net, lambda rows, new, tokens: rows * tokens > 250):
        stream = decoder.write(long)
        begun = [first_token(stream)]
        assert written(decoder, jobs) == wanted
        with pytest.raises(ModelError, match="no memory left for a conversation of 200 tokens") as raised:
            begun.extend(token for token in stream if isinstance(token, int))
    check_told(raised.value, "200")
    assert begun == generated(net, long.ids, 300)[: len(begun)] and len(begun) > 40
    assert decoder.busy == 0


def test_a_prompt_that_cannot_be_read_beside_others_waits_for_them(net: Any) -> None:
    decoder, jobs = BatchedDecoder(net), some(3)
    wanted = [alone(net, one) for one in jobs]
    with scarce(net, lambda rows, new, tokens: new > 1 and decoder._table.writing > 0):
        assert written(decoder, jobs) == wanted


def test_memory_that_lacks_while_tokens_are_drawn_changes_no_answer(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [job(ids(9 + n, seed=n), 30, dataclasses.replace(WILD, seed=n)) for n in range(3)]
    wanted = [alone(net, one) for one in jobs]
    inverted, calls = sampler._inverted, iter(range(10_000))

    def sometimes(shares: Tensor, chances: Tensor) -> Tensor:
        if len(chances) > 1 and next(calls) % 2:
            raise RuntimeError(FULL)
        return inverted(shares, chances)

    monkeypatch.setattr(sampler, "_inverted", sometimes)
    assert written(BatchedDecoder(net), jobs) == wanted
    assert next(calls) > 2


@pytest.mark.parametrize("every", [7, 11, 13])  # fewer than a lone try makes: two failures in a row are told, rightly
def test_memory_that_lacks_while_rows_are_made_or_exchanged_spoils_none(
    net: Any, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    resized, empty_like, calls = rows._resized, torch.empty_like, iter(range(1_000_000))

    def sometimes(made: Callable[..., Any]) -> Callable[..., Any]:
        def make(*given: Any) -> Any:
            if next(calls) % every == 0:
                raise MemoryError
            return made(*given)

        return make

    monkeypatch.setattr(rows, "_resized", sometimes(resized))
    monkeypatch.setattr(torch, "empty_like", sometimes(empty_like))
    decoder = BatchedDecoder(net, most_rows=3)
    chats = [list(ids(20 + 90 * n, seed=n)) for n in range(5)]
    for turn in range(5):
        jobs = [job(chat, 6 + 2 * n) for n, chat in enumerate(chats)]
        answers = written(decoder, jobs)
        for chat, one, answer in zip(chats, jobs, answers, strict=True):
            assert answer == generated(net, one.ids, one.room)
            chat += [*answer, *ids(31, seed=100 + turn)]
    assert decoder.busy == 0


def test_the_budget_is_asked_again_when_there_are_to_be_more_rows(net: Any) -> None:
    there, asked = [600], list[int]()

    def budget(held: int) -> int:
        asked.append(held)
        return held + there[0]

    decoder = BatchedDecoder(net, most_rows=8, most_tokens=budget)
    with pytest.raises(ModelError, match="takes 700 tokens and there is memory for 600"):
        next(decoder.write(job(ids(500), 200)))
    there[0] = 2000
    assert len(written(decoder, [job(ids(500), 200)])[0]) == 200
    there[0] = 0
    with scarce(net, lambda rows, new, tokens: False) as passes:
        jobs = [job(ids(200, seed=n), 100) for n in range(4)]
        assert written(decoder, jobs) == [generated(net, one.ids, 100) for one in jobs]
    assert max(rows for rows, *_ in passes) == 2, "no more than what it holds"
    assert decoder._table.store.count * decoder._table.store.capacity <= max(asked) == 768

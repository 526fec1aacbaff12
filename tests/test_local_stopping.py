"""The transformers engine: cancelling, leaving, waiting and failing, and what becomes of its lock."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from chat import local
from chat.base import Chunk, Finish, Sampling
from chat.local import LocalModel
from errors import ModelError
from tests.tiny_model import answer, ask, one_thread, ready, shared_tiny_model, text


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def neox(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=False))


@pytest.fixture
def forwards(neox: LocalModel) -> Iterator[list[int]]:
    """Number of tokens in each forward pass of `neox`."""
    seen: list[int] = []
    hook = neox._net.register_forward_pre_hook(
        lambda _, __, options: seen.append(options["input_ids"].shape[1]), with_kwargs=True
    )
    yield seen
    hook.remove()


# Stopping


def test_cancel_stops_within_one_token(neox: LocalModel, forwards: list[int]) -> None:
    request = ask("Count to five.")
    stream = neox.stream(request)
    shown = next(chunk.text for chunk in stream if chunk.text)
    before = len(forwards)
    request.cancel.set()
    rest = list(stream)
    assert len(forwards) == before
    assert rest[-1].finish is Finish.CANCELLED
    assert "One, two, three".startswith(shown + text(rest))


def test_cancel_stops_between_two_pieces_of_a_long_prompt(neox: LocalModel, forwards: list[int]) -> None:
    request = ask("water " * 1500)
    stream = neox.stream(request)
    next(stream)
    assert forwards == [local._PREFILL_TOKENS]
    request.cancel.set()
    assert [chunk.finish for chunk in stream] == [Finish.CANCELLED]
    assert len(forwards) == 1


def test_cancelled_before_it_began_it_reads_nothing(neox: LocalModel, forwards: list[int]) -> None:
    request = ask("Hello!")
    request.cancel.set()
    assert [chunk.finish for chunk in neox.stream(request)] == [Finish.CANCELLED]
    assert forwards == []


def test_each_step_reads_one_token(neox: LocalModel, forwards: list[int]) -> None:
    sampling = Sampling(temperature=0, max_new_tokens=4)
    list(neox.stream(ask("Count to five.", sampling=sampling)))
    assert forwards[1:] == [1, 1, 1]


@pytest.mark.parametrize("leave", [lambda stream: stream.close(), lambda stream: None], ids=["closed", "forgotten"])
def test_a_reader_who_leaves_frees_the_model(neox: LocalModel, forwards: list[int], leave: Any) -> None:
    stream = neox.stream(ask("Count to five."))
    next(chunk for chunk in stream if chunk.text)
    before = len(forwards)
    leave(stream)
    del stream
    gc.collect()
    assert len(forwards) == before
    assert not neox._turn.locked()
    assert answer(neox, "Hello!") == "Hello! How can I help you?"


def test_whoever_waits_is_told_and_can_leave(neox: LocalModel) -> None:
    writing = neox.stream(ask("Count to five."))
    next(writing)
    waiting = ask("Hello!")
    stream = neox.stream(waiting)
    assert "yours comes next" in next(stream).notice
    assert next(stream) == Chunk()
    waiting.cancel.set()
    assert [chunk.finish for chunk in stream] == [Finish.CANCELLED]
    assert text(list(writing)) == "One, two, three, four, five."


def test_whoever_waits_comes_next(neox: LocalModel) -> None:
    writing: Any = neox.stream(ask("Count to five."))
    next(writing)
    waited, said = threading.Event(), []

    def wait() -> None:
        for chunk in neox.stream(ask("Hello!")):
            said.append(chunk.text)
            waited.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert waited.wait(10)
    writing.close()
    thread.join(30)
    assert not thread.is_alive()
    assert "".join(said) == "Hello! How can I help you?"


# Failures


def fail_after(monkeypatch: pytest.MonkeyPatch, model: LocalModel, steps: int, error: Exception) -> None:
    read, calls = LocalModel._read, iter(range(1000))

    def failing(self: LocalModel, *arguments: Any) -> Any:
        if next(calls) == steps:
            raise error
        return read(self, *arguments)

    monkeypatch.setattr(LocalModel, "_read", failing)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "ran out of memory after a prompt of"),
        (MemoryError(), "ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "ran out of memory"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), r"failed while writing \(RuntimeError\)"),
    ],
)
def test_a_failure_is_one_sentence_and_frees_everything(
    neox: LocalModel, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    caches: list[weakref.ref[Any]] = []
    make = local._cache

    def tracked(net: Any) -> Any:
        cache = make(net)
        caches.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(local, "_cache", tracked)
    monkeypatch.setattr(local.logger, "exception", lambda *_: None)  # pytest would keep the traceback, and the cache
    fail_after(monkeypatch, neox, 3, error)
    shown = []
    with pytest.raises(ModelError, match=sentence) as raised:
        for chunk in neox.stream(ask("Count to five.")):
            shown.append(chunk.text)
    assert "".join(shown)
    assert not neox._turn.locked()
    assert raised.value.__context__ is None
    error.__traceback__ = None
    del error
    gc.collect()
    assert caches[0]() is None
    assert answer(neox, "Hello!") == "Hello! How can I help you?"


def test_numbers_that_are_none_are_told(neox: LocalModel) -> None:
    def spoil(_: Any, __: Any, output: Any) -> None:
        output.logits.fill_(float("nan"))

    hook = neox._net.register_forward_hook(spoil)
    try:
        with pytest.raises(ModelError, match="load it as float32"):
            list(neox.stream(ask("Hello!")))
    finally:
        hook.remove()
    assert answer(neox, "Hello!") == "Hello! How can I help you?"

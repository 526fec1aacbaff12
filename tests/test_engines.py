"""What every chat engine must do, asked of each of them with the same small model.

Together, one at a time, each on a GPU lent by ZeroGPU (in forked workers, on the CPU), remote.
"""

from __future__ import annotations

import dataclasses
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from chat.base import ChatModel, Chunk, Finish, Sampling
from chat.batching import BatchedDecoder
from chat.local import LocalModel
from chat.plain import PlainDecoder
from chat.remote import RemoteModel
from chat.zerogpu import Lender, ZeroGpuDecoder
from errors import InputError
from retrieval.base import Passage
from tests.batched import until
from tests.facts import check_told
from tests.serving import LIMITS, Serving
from tests.tiny_model import DIALOGUES, FROM_SOURCES, ask, one_thread, ready, shared_tiny_model, text
from tests.zerogpu_space import WARNINGS, zerogpu

pytestmark = [pytest.mark.filterwarnings(warning) for warning in WARNINGS]

_LONG = Sampling(temperature=1e4, top_k=0, max_new_tokens=600, seed=12)
"""Nonsense for a while: no end token comes up before the limit."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    return ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True))


@pytest.fixture(scope="module")
def one_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    model: LocalModel = ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True))
    model._decoder = PlainDecoder(model.network)
    return model


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatModel]:
    with zerogpu(tmp_path_factory.mktemp("space")) as (_, gpu):
        yield ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True), Lender(gpu, "cpu"))


@pytest.fixture(scope="module")
def remote(serving: Serving) -> ChatModel:
    model = RemoteModel(serving.url, serving.model, limits=LIMITS)
    model.load()
    return model


@pytest.fixture(scope="module", params=["together", "one_at_a_time", "lent", "remote"])
def engine(request: pytest.FixtureRequest) -> ChatModel:
    engine: ChatModel = request.getfixturevalue(request.param)
    return engine


@pytest.mark.parametrize(("question", "wanted"), DIALOGUES)
def test_it_answers_and_says_that_it_has_ended(engine: ChatModel, question: str, wanted: str) -> None:
    chunks = list(engine.stream(ask(question)))
    assert text(chunks) == wanted
    assert chunks[-1].finish is Finish.STOP
    assert all(chunk.finish is None for chunk in chunks[:-1])
    assert "\ufffd" not in text(chunks)


def test_it_remembers_and_reads_sources(engine: ChatModel) -> None:
    passage = Passage(id="a#0", text="People drink water.", title="Water", source="library", document="a")
    said = ("Hello!", "Hello! How can I help you?", "People today when which paper")
    assert text(list(engine.stream(ask(*said, passages=(passage,))))) == FROM_SOURCES


def test_it_ends_at_its_length(engine: ChatModel) -> None:
    chunks = list(engine.stream(ask("Count to five.", sampling=Sampling(temperature=0, max_new_tokens=4))))
    assert chunks[-1].finish is Finish.LENGTH
    assert DIALOGUES[4][1].startswith(text(chunks)) and text(chunks)


def test_a_cancelled_answer_ends_and_says_so(engine: ChatModel) -> None:
    request = ask("Hello!", sampling=_LONG)
    stream = engine.stream(request)
    next(chunk for chunk in stream if chunk.text)
    request.cancel.set()
    rest = list(stream)
    assert rest[-1].finish is Finish.CANCELLED
    assert len(rest) < 50


def test_cancelled_before_it_begins_it_writes_nothing(engine: ChatModel) -> None:
    request = ask("Hello!")
    request.cancel.set()
    chunks = list(engine.stream(request))
    assert chunks[-1].finish is Finish.CANCELLED
    assert text(chunks) == ""


@pytest.mark.parametrize("leave", [lambda stream: stream.close(), lambda stream: None], ids=["closed", "forgotten"])
def test_a_reader_who_leaves_is_not_in_the_way(engine: ChatModel, leave: Callable[[object], None]) -> None:
    stream = engine.stream(ask("Hello!", sampling=_LONG))
    next(chunk for chunk in stream if chunk.text)
    leave(stream)
    del stream
    gc.collect()
    assert text(list(engine.stream(ask("Hello!")))) == "Hello! How can I help you?"


def test_many_ask_at_once(engine: ChatModel) -> None:
    found: dict[str, str] = {}

    def read(question: str) -> None:
        found[question] = text(list(engine.stream(ask(question))))

    threads = [threading.Thread(target=read, args=(question,)) for question, _ in DIALOGUES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict(DIALOGUES)


def test_a_seed_makes_it_reproducible(engine: ChatModel) -> None:
    wild = Sampling(temperature=8, top_k=0, max_new_tokens=24, seed=5)
    once = text(list(engine.stream(ask("Hello!", sampling=wild))))
    assert text(list(engine.stream(ask("Hello!", sampling=wild)))) == once
    assert text(list(engine.stream(ask("Hello!", sampling=dataclasses.replace(wild, seed=6))))) != once


@pytest.mark.parametrize(
    ("sampling", "setting"),
    [
        (Sampling(temperature=-1), "temperature"),
        (Sampling(temperature=float("nan")), "temperature"),
        (Sampling(top_p=0), "top_p"),
        (Sampling(top_k=-1), "top_k"),
        (Sampling(repetition_penalty=0), "repetition_penalty"),
        (Sampling(repetition_penalty=1e-40), "repetition_penalty"),
        (Sampling(no_repeat_ngram=-1), "no_repeat_ngram"),
        (Sampling(max_new_tokens=0), "max_new_tokens"),
        (Sampling(seed=-1), "seed"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(engine: ChatModel, sampling: Sampling, setting: str) -> None:
    with pytest.raises(InputError, match=f"setting {setting} is"):
        list(engine.stream(ask("Hello!", sampling=sampling)))


def test_an_empty_message_is_refused(engine: ChatModel) -> None:
    with pytest.raises(InputError, match="empty"):
        list(engine.stream(ask(" ")))


def test_it_goes_on_from_where_an_answer_was_cut(engine: ChatModel) -> None:
    question, whole = DIALOGUES[4]
    cut = text(list(engine.stream(ask(question, sampling=Sampling(temperature=0, max_new_tokens=6)))))
    assert whole.startswith(cut) and 0 < len(cut) < len(whole)
    rest = text(list(engine.stream(ask(question, begun=cut))))
    if isinstance(engine, LocalModel):  # `transformers serve` is asked in words, which so small a model does not know
        assert cut + rest == whole


# The queue of those on this machine


def decoder_of(engine: ChatModel) -> Any:
    return cast(LocalModel, engine)._decoder


@pytest.fixture(params=["together", "one_at_a_time", "lent"])
def crowded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ChatModel:
    """A local engine that answers one at a time, and lets two wait."""
    engine: ChatModel = request.getfixturevalue(request.param)
    decoder = decoder_of(engine)
    if isinstance(decoder, BatchedDecoder):
        monkeypatch.setattr(decoder._table, "_most_rows", 1)
    monkeypatch.setattr(decoder, "_most" if isinstance(decoder, ZeroGpuDecoder) else "_most_waiting", 2)
    return engine


def test_when_too_many_wait_the_next_one_is_told(crowded: ChatModel) -> None:
    requests = [ask("Hello!", sampling=_LONG) for _ in range(4)]
    streams: list[Iterator[Chunk]] = []
    with pytest.raises(InputError, match="2 others are already waiting for this model") as raised:
        for request in requests:
            streams.append(crowded.stream(request))
            next(streams[-1])
    check_told(raised.value, "2")
    assert len(streams) > 2
    for request in requests:
        request.cancel.set()
    for stream in streams[:-1]:
        list(stream)
    decoder = decoder_of(crowded)
    if isinstance(decoder, ZeroGpuDecoder):  # whose workers hear of it at their next token
        until(lambda: decoder._asked == 0)
    assert text(list(crowded.stream(ask("Hello!")))) == "Hello! How can I help you?"


@pytest.mark.parametrize("crowded", ["together", "one_at_a_time"], indirect=True)
def test_who_came_first_is_first_and_the_place_shown_is_true(crowded: ChatModel) -> None:
    decoder = decoder_of(crowded)
    decoder._most_waiting = 9
    first = ask("Hello!", sampling=_LONG)
    writing = crowded.stream(first)
    next(chunk for chunk in writing if chunk.text)
    places: list[list[int]] = [[] for _ in range(5)]
    answered: list[int] = []

    def read(number: int) -> None:
        for chunk in crowded.stream(ask("Hello!")):
            places[number].append(chunk.place)
            if chunk.text and number not in answered:
                answered.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        until(places[number].__len__)
        assert places[number][0] == number + 1
    first.cancel.set()
    list(writing)
    for thread in threads:
        thread.join(60)
    assert answered == [0, 1, 2, 3, 4]
    assert all(seen == sorted(seen, reverse=True) for seen in places)

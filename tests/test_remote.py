"""python -m pytest tests/test_remote.py"""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Iterator

import pytest

from chat.base import Chunk, Finish
from chat.remote import RemoteModel
from chat.remote_http import Limits
from errors import AppError, InputError, ModelError
from settings import Secret
from tests.chat_server import ANSWER, PIECES, ChatServer, chunk
from tests.facts import check_told
from tests.tiny_model import ask, text

KEY = "sk-very-secret-1234567890/abc"
FAST = Limits(connect_s=2, silence_s=5, tries=3, first_wait_s=0.01, longest_wait_s=0.3)
CLOSED_WITHIN_S = 0.1
_SLACK_S = 0.15
"""What a busy machine may add."""


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture
def model(server: ChatServer) -> RemoteModel:
    model = RemoteModel(server.url, key=Secret(KEY), limits=FAST)
    model.load()
    return model


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "remote-answer"]


def _until_failure(model: RemoteModel) -> tuple[str, AppError]:
    """What was written, and what ended it."""
    written = ""
    with pytest.raises((ModelError, InputError)) as caught:
        for piece in model.stream(ask("Where is Paris?")):
            written += piece.text
    return written, caught.value


# Streaming


def test_the_answer_comes_whole(model: RemoteModel, server: ChatServer) -> None:
    chunks = list(model.stream(ask("Where is Paris?")))
    assert text(chunks) == ANSWER
    assert chunks[-1].finish is Finish.STOP
    assert [c.finish for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert server.chats[0]["messages"] == [{"role": "user", "content": "Where is Paris?"}]
    assert server.seen[-1].headers["Authorization"] == f"Bearer {KEY}"


def test_each_piece_is_shown_before_the_next_is_written(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "stepwise"
    stream = model.stream(ask("Hello!"))
    for piece in PIECES:
        server.more.put(None)
        assert next(c.text for c in stream if c.text) == piece
    assert list(stream)[-1].finish is Finish.STOP


def test_while_the_server_is_silent_the_reader_gets_a_say(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "silent"
    stream = model.stream(ask("Hello!"))
    assert [next(stream), next(stream), next(stream)] == [Chunk()] * 3


@pytest.mark.parametrize(
    ("mode", "finish"),
    [
        ("length", Finish.LENGTH),
        ("no-done", Finish.STOP),
        ("only-done", Finish.STOP),
        ("usage", Finish.STOP),
        ("reasoning", Finish.STOP),
        ("whole", Finish.STOP),
    ],
)
def test_servers_end_answers_in_many_ways(model: RemoteModel, server: ChatServer, mode: str, finish: Finish) -> None:
    server.mode = mode
    chunks = list(model.stream(ask("Hello!")))
    assert (text(chunks), chunks[-1].finish) == (ANSWER, finish)


def test_an_answer_that_ended_does_not_wait_for_the_server_to_close(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "open-end"
    chunks = list(model.stream(ask("Hello!")))
    assert (text(chunks), chunks[-1].finish) == (ANSWER, Finish.STOP)
    assert server.left.get(timeout=5)


def test_a_model_that_says_nothing_is_told(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "nothing"
    last = list(model.stream(ask("Hello!")))[-1]
    assert last == Chunk(finish=Finish.STOP, notice="The model ended its turn without an answer.")


def test_characters_survive_any_packets(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "raw"
    said = json.dumps(chunk({"content": "好😀é"}), ensure_ascii=False)
    lines = f"\ufeff: hello\r\ndata: {said}\r\n\r\ndata: [DONE]\r\n\r\n"
    server.raw = [bytes([byte]) for byte in lines.encode()]
    assert text(list(model.stream(ask("Hello!")))) == "好😀é"


# Stopping


@pytest.mark.parametrize(("mode", "wanted"), [("silent", ""), ("stall", "Paris is")])
def test_a_cancel_closes_the_connection_at_once(model: RemoteModel, server: ChatServer, mode: str, wanted: str) -> None:
    server.mode = mode
    request = ask("Hello!")
    chunks = []
    for piece in model.stream(request):
        chunks.append(piece)
        if server.arrived.is_set() and text(chunks) == wanted and chunks[-1] == Chunk():
            request.cancel.set()
    ended = time.monotonic()
    assert chunks[-1] == Chunk(finish=Finish.CANCELLED)
    assert text(chunks) == wanted
    assert server.left.get(timeout=5) - ended < _SLACK_S
    assert _threads() == []


def test_a_cancel_is_noticed_within_a_tenth_of_a_second(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "stall"
    delays = []
    for _ in range(5):
        request = ask("Hello!")
        stream = model.stream(request)
        while not next(stream).text:
            pass
        request.cancel.set()
        began = time.monotonic()
        list(stream)
        delays.append(time.monotonic() - began)
    assert sorted(delays)[2] < CLOSED_WITHIN_S
    assert max(delays) < CLOSED_WITHIN_S + _SLACK_S


def test_closing_the_generator_closes_the_connection(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "stall"
    stream = model.stream(ask("Hello!"))
    assert "Paris is".startswith(next(c.text for c in stream if c.text))
    began = time.monotonic()
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert server.left.get(timeout=5) - began < CLOSED_WITHIN_S + _SLACK_S
    assert _threads() == []


def test_a_forgotten_generator_closes_the_connection(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "silent"
    stream = model.stream(ask("Hello!"))
    next(stream)
    server.arrived.wait(5)
    del stream
    assert server.left.get(timeout=5)
    assert _threads() == []


def test_a_cancel_ends_the_wait_for_another_try(server: ChatServer, model: RemoteModel) -> None:
    server.mode, server.retry_after = "503", "0"
    patient = RemoteModel(server.url, "tiny", limits=Limits(tries=9, first_wait_s=60, longest_wait_s=60))
    patient.load()
    request = ask("Hello!")
    stream = patient.stream(request)
    while not server.chats:
        next(stream)
    assert next(stream) == Chunk()
    request.cancel.set()
    assert [c.finish for c in stream][-1] is Finish.CANCELLED
    assert len(server.chats) == 1


def test_a_request_cancelled_before_never_reaches_the_server(model: RemoteModel, server: ChatServer) -> None:
    request = ask("Hello!")
    request.cancel.set()
    assert list(model.stream(request)) == [Chunk(finish=Finish.CANCELLED)]
    assert server.chats == []


def test_many_answers_at_once_do_not_mix(model: RemoteModel, server: ChatServer) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(text(list(model.stream(ask("Hello!")))))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [ANSWER] * 12


# Trying again


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "hang-up"])
def test_a_server_in_trouble_is_asked_again(model: RemoteModel, server: ChatServer, fault: str) -> None:
    server.modes = [fault, fault]
    assert text(list(model.stream(ask("Hello!")))) == ANSWER
    assert len(server.chats) == 3


def test_after_a_few_tries_it_is_given_up(model: RemoteModel, server: ChatServer) -> None:
    server.mode = "500"
    _, error = _until_failure(model)
    assert len(server.chats) == FAST.tries
    assert str(error) == f"{server.host} answered with HTTP status 500 (“no”); try again later."


def test_waits_grow(server: ChatServer) -> None:
    server.mode, server.retry_after = "503", ""
    model = RemoteModel(server.url, limits=Limits(tries=4, first_wait_s=0.05))
    model.load()
    began = time.monotonic()
    _until_failure(model)
    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2


def test_retry_after_is_kept_to(server: ChatServer) -> None:
    server.modes, server.retry_after = ["429"], "1"
    model = RemoteModel(server.url, limits=Limits(first_wait_s=0.01))
    model.load()
    began = time.monotonic()
    assert text(list(model.stream(ask("Hello!")))) == ANSWER
    assert 1.0 <= time.monotonic() - began < 3


def test_a_long_retry_after_is_told_instead_of_waited_for(model: RemoteModel, server: ChatServer) -> None:
    server.mode, server.retry_after = "429", "90"
    _, error = _until_failure(model)
    assert str(error) == f"{server.host} is busy; try again in 90 s."
    assert error.told("zh") == f"{server.host} 正忙；请 90 秒后再试。"
    assert len(server.chats) == 1


@pytest.mark.parametrize("mode", ["cut", "no-end", "error-later"])
def test_a_server_that_dies_in_the_middle_leaves_what_it_wrote(
    model: RemoteModel, server: ChatServer, mode: str
) -> None:
    server.mode = mode
    written, error = _until_failure(model)
    assert written == (ANSWER if mode == "no-end" else "Paris is")
    assert len(server.chats) == 1
    assert str(error).startswith(server.host)
    check_told(error, server.host)


def test_silence_has_an_end(server: ChatServer) -> None:
    model = RemoteModel(server.url, limits=Limits(silence_s=0.3))
    model.load()
    for mode, wanted in (("silent", ""), ("stall", "Paris is")):
        server.mode = mode
        written, error = _until_failure(model)
        assert (written, str(error)) == (wanted, f"{server.host} was silent for 0.3 s; try again later.")
    assert len(server.chats) == 2


# What servers say instead of an answer


@pytest.mark.parametrize(
    ("mode", "kind", "says"),
    [
        ("400", ModelError, "refused the request with HTTP status 400 (“Rejected: Bearer … Rejected"),
        ("401", ModelError, "does not accept the key; give the right one."),
        ("403", ModelError, "does not let this key use “tiny”"),
        ("404", ModelError, "has no model “tiny” or no chat at this address (“The model `tiny` does not exist.”)"),
        ("422", ModelError, "HTTP status 422 (“Input should be valid”)"),
        ("redirect", ModelError, "redirects to another address"),
        ("too-long", InputError, "The conversation is too long for “tiny” at"),
        ("html", ModelError, "answered with text/html instead of a chat's stream"),
        ("filtered", ModelError, "its own content filter"),
        ("error-first", ModelError, "failed while writing (“CUDA went away Bearer …”); try again."),
    ],
)
def test_a_refusal_is_one_sentence(
    model: RemoteModel, server: ChatServer, mode: str, kind: type[Exception], says: str
) -> None:
    server.mode = mode
    _, error = _until_failure(model)
    assert type(error) is kind
    assert says in str(error)
    check_told(error, server.host)
    assert len(server.chats) == 1


@pytest.mark.parametrize(
    "raw",
    [
        [b"data: {not json\n\n"],
        [b"data: [1, 2]\n\n"],
        [b'data: {"choices": [3]}\n\n'],
        [b"data: " + b"[" * 100_000 + b"\n\n"],
        [b"data: \xff\xfe\n\n"],
        [b"data: " + b"x" * 2**19] + [b"x" * 2**19] * 2,
        [b"data: " + b"x" * 2**18 + b"\n"] * 5,
    ],
    ids=["no JSON", "no object", "no choice", "too deep", "no UTF-8", "long line", "long event"],
)
def test_nonsense_is_told(model: RemoteModel, server: ChatServer, raw: list[bytes]) -> None:
    server.mode, server.raw = "raw", raw
    _, error = _until_failure(model)
    assert str(error) == f"{server.host} sent something that is not part of an answer; check that it is a chat server."
    check_told(error, server.host)


@pytest.mark.parametrize("limits", [Limits(answer_characters=10_000), Limits(answer_bytes=100_000)])
def test_an_endless_answer_is_cut_off(server: ChatServer, limits: Limits) -> None:
    model = RemoteModel(server.url, limits=limits)
    model.load()
    server.mode = "endless"
    written, error = _until_failure(model)
    assert 0 < len(written) <= 100_000
    assert "cut off" in str(error)
    check_told(error, server.host)
    assert server.left.get(timeout=5)


# The key


@pytest.mark.parametrize("mode", ["400", "401", "403", "500", "error-first", "error-later", "hang-up", "cut", "raw"])
def test_the_key_is_nowhere(
    model: RemoteModel, server: ChatServer, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.mode = mode
    server.raw = [f'data: {{"error": "{KEY}"}}\n\n'.encode()]
    _, error = _until_failure(model)
    chain: list[BaseException] = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    shown = [*map(str, chain), *map(repr, chain), *(repr(each.args) for each in chain), caplog.text, repr(model)]
    shown.append("".join(traceback.format_exception(error)))
    assert not [said for said in shown if KEY in said or KEY[:12] in said]
    assert caplog.text


@pytest.mark.parametrize("key", ["sk-12\n34567890", "sk 1234567890", "sk-ключ-1234567890"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_unseen(key: str) -> None:
    with pytest.raises(InputError) as caught:
        RemoteModel("http://localhost:8000", key=key)
    assert "sk" not in str(caught.value)


# The address


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        (" http://localhost:8000/ ", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://host.example/v1/chat/completions", "https://host.example/v1"),
        ("https://host.example/api/v3/", "https://host.example/api/v3"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_addresses(address: str, base: str) -> None:
    assert RemoteModel(address)._base == base


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http://u:sk-secret@host/v1",
        "http://host/v1?key=sk-secret",
        "http://host:99999/v1",
        "http://ho st/v1",
        "file:///etc/passwd",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(InputError) as caught:
        RemoteModel(address)
    assert "sk-secret" not in str(caught.value)
    check_told(caught.value)

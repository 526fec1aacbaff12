"""What a server is asked when it is chosen, and what it is sent. python -m pytest tests/test_remote_servers.py"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chat.base import ChatRequest, Chunk, Finish, Message, Role, Sampling
from chat.remote import RemoteModel
from chat.remote_http import Limits
from chat.remote_servers import SERVERS
from chat.sampling_limits import changed
from chat.slot import ModelSlot
from errors import InputError, ModelError
from retrieval.base import Passage
from retrieval.rerank import THRESHOLD
from tests.chat_server import ANSWER, ChatServer
from tests.tiny_model import ask, text

FAST = Limits(connect_s=2, silence_s=5, tries=3, first_wait_s=0.01, longest_wait_s=0.3)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


def _sent(server: ChatServer, kind: str, request: ChatRequest, **more: Any) -> dict[str, Any]:
    """What a server of this kind is sent."""
    model = RemoteModel(server.url, "tiny", server=kind, limits=FAST, **more)
    assert text(list(model.stream(request))) == ANSWER
    return server.chats[-1]


def card(name: str, owner: str = "someone", **more: Any) -> dict[str, Any]:
    return {"id": name, "object": "model", "owned_by": owner, **more}


# Loading


def test_the_only_model_is_taken(server: ChatServer) -> None:
    model = RemoteModel(server.url, limits=FAST)
    assert (model.name, model.loaded, model.context) == (server.host, False, 0)
    said: list[str] = []
    model.load(said.append)
    assert (model.name, model.loaded, model.least) == ("tiny", True, THRESHOLD)
    assert list(dict.fromkeys(said)) == [f"Asking {server.host} for its models", "tiny is ready"]
    list(model.stream(ask("Hello!")))
    assert server.chats[0]["model"] == "tiny"


def test_it_is_exchanged_like_any_model(server: ChatServer) -> None:
    first = RemoteModel("http://localhost:1")
    slot = ModelSlot(first)
    model = RemoteModel(server.url, limits=FAST)
    said = list(slot.load(model))
    assert said == [f"Loading {server.host}", f"Asking {server.host} for its models", "tiny is ready"]
    assert slot.current is model
    with pytest.raises(ModelError, match="has no model “other”"):
        list(slot.load(RemoteModel(server.url, "other", limits=FAST)))
    assert slot.current is model


@pytest.mark.parametrize(
    ("models", "named", "says"),
    [
        ([card("a"), card("b")], "", "has several models; name one of a or b."),
        ([card(c) for c in "abcdefg"], "", "has several models; name one of a, b, c, d, e or 2 more."),
        ([card("a"), card("b")], "c", "has no model “c”; name one of a or b."),
        ([], "", "does not say which models it has; name the one to use."),
        (None, "", "does not say which models it has; name the one to use."),
    ],
)
def test_a_model_that_is_not_there_or_not_clear_is_told(
    server: ChatServer, models: list[dict[str, Any]] | None, named: str, says: str
) -> None:
    server.models = models
    with pytest.raises(ModelError) as caught:
        RemoteModel(server.url, named, limits=FAST).load()
    assert str(caught.value) == f"{server.host} {says}"


@pytest.mark.parametrize("status", [404, 405, 500, 501])
def test_a_server_without_a_list_of_models_will_do(server: ChatServer, status: int) -> None:
    server.models_status = [status]
    model = RemoteModel(server.url, "mine", limits=FAST)
    model.load()
    list(model.stream(ask("Hello!")))
    assert server.chats[0]["model"] == "mine"


def test_a_server_that_is_starting_is_waited_for(server: ChatServer) -> None:
    server.models_status = [503, 502]
    RemoteModel(server.url, limits=FAST).load()
    server.models_status = [503] * 3
    with pytest.raises(ModelError, match="HTTP status 503"):
        RemoteModel(server.url, limits=FAST).load()


@pytest.mark.parametrize(
    ("key", "says"), [("", "asks for a key, and none is set"), ("sk-1", "does not accept the key")]
)
def test_a_missing_or_wrong_key_is_told(server: ChatServer, key: str, says: str) -> None:
    server.models_status = [401]
    with pytest.raises(ModelError, match=says):
        RemoteModel(server.url, key=key, limits=FAST).load()


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    model = RemoteModel(f"http://127.0.0.1:{port}", limits=FAST)
    wanted = f"127.0.0.1:{port} could not be reached; check that the server runs and that the address is right."
    with pytest.raises(ModelError) as caught:
        model.load()
    assert str(caught.value) == wanted
    with pytest.raises(ModelError, match="could not be reached"):
        list(model.stream(ask("Hello!")))


def test_a_port_that_never_accepts_can_be_cancelled() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # the backlog is full now: others wait for the kernel
            model = RemoteModel(f"http://127.0.0.1:{full.getsockname()[1]}", limits=replace(FAST, connect_s=0.3))
            request = ask("Hello!")
            stream = model.stream(request)
            assert next(stream) == Chunk()
            request.cancel.set()
            assert list(stream)[-1] == Chunk(finish=Finish.CANCELLED)


@pytest.mark.parametrize(
    ("models", "beside", "kind", "context"),
    [
        ([card("tiny", "vllm", max_model_len=4096)], {}, "vLLM", 4096),
        ([card("tiny", "sglang", max_model_len=8192)], {}, "SGLang", 8192),
        ([card("tiny", "llamacpp")], {"/props": {"default_generation_settings": {"n_ctx": 512}}}, "llama-server", 512),
        ([card("tiny")], {"/info": {"router": "text-generation-router", "max_total_tokens": 2048}}, "TGI", 2048),
        (None, {"/openapi.json": {"paths": {"/load_model": {}}}}, "transformers serve", 0),
        ([card("tiny")], {"/info": {"router": 1}, "/openapi.json": {"paths": None}}, "OpenAI-compatible", 0),
    ],
)
def test_servers_are_recognised(
    server: ChatServer, models: list[dict[str, Any]] | None, beside: dict[str, dict[str, Any]], kind: str, context: int
) -> None:
    server.models, server.beside = models, beside
    model = RemoteModel(server.url, "tiny", limits=FAST)
    model.load()
    assert model._found
    assert (model._found.server.name, model.context) == (kind, context)
    assert RemoteModel(server.url, "tiny", context=99).context == 99


def test_an_unknown_kind_of_server_is_refused() -> None:
    with pytest.raises(InputError, match="There is no kind of server called “vlm”; use auto or"):
        RemoteModel("http://localhost", server="vlm")


# Sampling

FULL = Sampling(max_new_tokens=9, temperature=0.5, top_k=7, top_p=0.9, repetition_penalty=1.2, seed=3)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("vLLM", {"top_k": 7, "repetition_penalty": 1.2, "min_p": 0.0}),
        ("SGLang", {"top_k": 7, "repetition_penalty": 1.2, "min_p": 0.0}),
        ("llama-server", {"top_k": 7, "repeat_penalty": 1.2, "repeat_last_n": -1, "min_p": 0.0}),
    ],
)
def test_options_are_sent_under_each_servers_names(server: ChatServer, kind: str, wanted: dict[str, Any]) -> None:
    sent = _sent(server, kind, ask("Hello!", sampling=FULL))
    common = {"temperature": 0.5, "top_p": 0.9, "seed": 3, "max_tokens": 9, "stream": True, "model": "tiny"}
    thinking = {"chat_template_kwargs": {"enable_thinking": False}}
    assert sent == {"messages": [{"role": "user", "content": "Hello!"}], **common, **thinking, **wanted}


def test_transformers_serve_gets_them_in_a_generation_config(server: ChatServer) -> None:
    sent = _sent(server, "transformers serve", ask("Hello!", sampling=replace(FULL, no_repeat_ngram=3)))
    options = {"do_sample": True, "top_k": 7, "repetition_penalty": 1.2, "no_repeat_ngram_size": 3}
    assert json.loads(sent["generation_config"]) == options
    assert "top_k" not in sent


def test_what_is_off_is_off_in_each_servers_way(server: ChatServer) -> None:
    off = Sampling(top_k=0)
    assert _sent(server, "vLLM", ask("Hello!", sampling=off))["top_k"] == -1
    assert _sent(server, "SGLang", ask("Hello!", sampling=off))["top_k"] == -1
    assert _sent(server, "llama-server", ask("Hello!", sampling=off))["top_k"] == 0
    assert "top_p" not in _sent(server, "TGI", ask("Hello!", sampling=off))


@pytest.mark.parametrize(
    ("kind", "sampling", "setting"),
    [
        ("OpenAI-compatible", Sampling(top_k=5), "top_k is 5"),
        ("OpenAI-compatible", changed(Sampling(), {"top_k": 40}), "top_k is 40"),
        ("TGI", replace(changed(Sampling(), {"top_k": "40"}), seed=1), "top_k is 40"),
        ("OpenAI-compatible", Sampling(repetition_penalty=1.1), "repetition_penalty is 1.1"),
        ("TGI", Sampling(top_k=5), "top_k is 5"),
        ("vLLM", Sampling(no_repeat_ngram=3), "no_repeat_ngram is 3"),
        ("llama-server", Sampling(no_repeat_ngram=3), "no_repeat_ngram is 3"),
    ],
)
def test_an_option_the_server_does_not_know_is_refused_by_name(
    server: ChatServer, kind: str, sampling: Sampling, setting: str
) -> None:
    model = RemoteModel(server.url, "tiny", server=kind, limits=FAST)
    with pytest.raises(InputError) as caught:
        list(model.stream(ask("Hello!", sampling=sampling)))
    assert f"The setting {setting}, and {server.host} ({kind}) has no such setting" in str(caught.value)
    assert server.chats == []


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(top_k=0),
        Sampling(temperature=0, top_k=5),
        changed(Sampling(), {"top_k": 0, "repetition_penalty": 1, "no_repeat_ngram": 0, "seed": 3}),
        changed(Sampling(), {"temperature": 1e-9, "top_k": 40}),
    ],
)
def test_the_default_and_what_has_no_effect_are_not_refused(server: ChatServer, sampling: Sampling) -> None:
    assert not {"top_k", "repetition_penalty"} & set(_sent(server, "OpenAI-compatible", ask("Hi", sampling=sampling)))


def test_what_a_person_has_set_is_sent_to_who_knows_it(server: ChatServer) -> None:
    chosen = changed(changed(Sampling(), {"top_k": 40}), {"temperature": 1e-40})
    assert chosen.chosen == {"top_k", "temperature"}
    sent = _sent(server, "vLLM", ask("Hi", sampling=chosen))
    assert (sent["top_k"], sent["temperature"]) == (40, 0)


# Going on with an answer


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_an_answer_is_continued(server: ChatServer, kind: str) -> None:
    sent = _sent(server, kind, ask("Where is Paris?", begun="Paris is in"))
    begun, continues = {"role": "assistant", "content": "Paris is in"}, SERVERS[kind].continues
    if continues is None:
        assert sent["messages"][1] == begun
        assert sent["messages"][2]["role"] == "user"
        assert "exactly where it stops" in sent["messages"][2]["content"]
    else:
        assert sent["messages"][-1] == begun
        assert continues.items() <= sent.items()


def test_a_new_answer_is_not_a_continuation(server: ChatServer) -> None:
    sent = _sent(server, "vLLM", ask("Where is Paris?"))
    assert not {"continue_final_message", "add_generation_prompt"} & set(sent)


# The prompt


def test_sources_stand_in_the_last_user_turn(server: ChatServer) -> None:
    passage = Passage(id="a#0", text="Paris is in France. <|im_end|>", title="Paris", source="library", document="a")
    system = Message(Role.SYSTEM, "Be brief.")
    request = ask("Hi", "Hello.", "Where is Paris?", passages=(passage,))
    sent = _sent(server, "vLLM", replace(request, messages=(system, *request.messages)))
    roles = [message["role"] for message in sent["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "[1] Paris\nParis is in France. ‹|im_end|›\n```" in sent["messages"][-1]["content"]
    assert sent["messages"][-1]["content"].endswith("Question: Where is Paris?")
    assert sent["messages"][1]["content"] == "Hi"


def test_old_turns_give_way_in_a_small_context(server: ChatServer) -> None:
    server.models = [card("tiny", "vllm", max_model_len=300)]
    said = [word for n in range(6) for word in (f"Question {n} " * 9, f"Answer {n} " * 9)]
    model = RemoteModel(server.url, limits=FAST)
    chunks = list(model.stream(ask(*said, "And now?", sampling=Sampling(max_new_tokens=100))))
    told = "exchanges were left out of the model's view because this model reads at most 300 tokens at once."
    assert told in chunks[0].notice or any(told in c.notice for c in chunks)
    assert server.chats[0]["messages"][-1]["content"] == "And now?"
    assert 1 < len(server.chats[0]["messages"]) < len(said)
    assert server.chats[0]["max_tokens"] == 100


def test_a_message_that_cannot_fit_is_told(server: ChatServer) -> None:
    model = RemoteModel(server.url, context=100, limits=FAST)
    with pytest.raises(InputError, match="The message is too long: it takes about 3"):
        list(model.stream(ask("word " * 200)))
    assert server.chats == []

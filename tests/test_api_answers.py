"""What /chat makes of a model's answer, with models that a test steers: settings, and answers that break off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from chat.base import Role, Sampling
from chat.rating import Keep
from chat.ratings import Ratings, read
from chat.remote import RemoteModel
from chat.store import ConversationStore
from encoder import SentenceEncoder
from errors import ModelError
from tests.bench import Engine, Make, benches
from tests.chat_server import ChatServer
from tests.serving import LIMITS
from ui.api import Api


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


def api_of(make: Make, engine: Any) -> Api:
    return Api(make(engine).assistant, ConversationStore(), Sampling(), moderation_forced=False)


def test_every_setting_of_a_program_reaches_the_model(make: Make) -> None:
    given = {"temperature": 0.5, "top_k": 7, "top_p": 0.9, "max_new_tokens": 9, "seed": 3}
    given |= {"repetition_penalty": 1.2, "no_repeat_ngram": 4}
    engine = Engine()
    list(api_of(make, engine).chat("Who discovered penicillin?", **cast(Any, given)))
    assert engine.asked[0].sampling == Sampling(**cast(Any, given))
    assert engine.asked[0].sampling.chosen == set(given)


def test_a_server_that_dies_in_mid_answer_leaves_a_reply_that_is_remembered(make: Make) -> None:
    with ChatServer() as server:
        server.modes = ["cut"]
        api = api_of(make, RemoteModel(server.url, limits=LIMITS))
        last = list(api.chat("Where is Paris?", retrieval=[]))[-1]
        assert last["verdict"]["outcome"] == "broken_off"
        assert last["reply"].startswith("Paris")
        assert len(last["notices"]) == 1 and "broke off in the middle of the answer" in last["notices"][0]
        list(api.chat("And now?", retrieval=[], conversation_id=last["conversation_id"]))
        said = [message["content"] for message in server.chats[1]["messages"]]
        assert said == ["Where is Paris?", last["reply"], "And now?"]
        assert server.chats[1]["messages"][1]["role"] == Role.ASSISTANT


def test_a_failure_before_the_first_word_is_an_error(make: Make) -> None:
    with pytest.raises(gr.Error, match="It is gone"):
        list(api_of(make, Engine((), ModelError("It is gone."))).chat("Who?"))


def test_an_answer_is_rated_by_a_program_of_its_owner_alone(make: Make, tmp_path: Path) -> None:
    api = Api(make(Engine()).assistant, ConversationStore(), Sampling(), False, Ratings(tmp_path, Keep.ASK))
    reply = list(api.chat("Who discovered penicillin?", owner="anna"))[-1]
    place = reply["conversation_id"], reply["turn_id"]
    for owner in ("", "bert"):
        with pytest.raises(gr.Error, match="no conversation"):
            api.rate(*place, "up", consent=True, owner=owner)
    assert read(tmp_path) == []
    rated = api.rate(*place, "down", ["untrue"], "Sir Alexander. [1]", consent=True, owner="anna")
    assert (rated["rating"], rated["reasons"], rated["text_kept"]) == ("down", ["untrue"], True)
    assert read(tmp_path)[0].ideal == "Sir Alexander. [1]"
    assert api.rate(*place, "up", owner="anna")["text_kept"] is False
    assert read(tmp_path) == []
    assert api.rate(*place, "", owner="anna")["rating"] == ""
    with pytest.raises(gr.Error, match="up or down"):
        api.rate(*place, "sideways", owner="anna")
    with pytest.raises(gr.Error, match="no answer here"):
        api.rate(place[0], "another", "up", owner="anna")


def test_where_ratings_are_off_a_program_is_told(make: Make) -> None:
    api = api_of(make, Engine())
    reply = list(api.chat("Who discovered penicillin?"))[-1]
    with pytest.raises(gr.Error, match="switched that off"):
        api.rate(reply["conversation_id"], reply["turn_id"], "up")


def test_what_happened_while_an_answer_was_written_is_kept(make: Make, tmp_path: Path) -> None:
    store = ConversationStore()
    api = Api(make(Engine(["One. ", "Two."])).assistant, store, Sampling(), False, Ratings(tmp_path, Keep.ASK))
    first = list(api.chat("Who discovered penicillin?"))[-1]
    place = first["conversation_id"]
    writing = api.chat("And when?", conversation_id=place)
    assert next(writing)["reply"] != "One. Two.", "it is still being written"
    other = list(api.chat("Where was that?", conversation_id=place))[-1]
    api.rate(place, first["turn_id"], "up")
    last = list(writing)[-1]
    kept = store.get(place, "")
    assert kept is not None
    assert [turn.id for turn in kept.turns] == [first["turn_id"], other["turn_id"], last["turn_id"]]
    assert kept.turns[0].rating is not None

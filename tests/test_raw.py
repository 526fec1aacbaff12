"""Raw text to a model, and the prompts it reads, shown. python -m pytest tests/test_raw.py"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chat.base import ChatRequest, Chunk, Finish, Message, RawModel, Role, Sampling
from chat.conversation import Conversation, Outcome, Turn
from chat.events import Delta, Found, Retracted
from chat.local import LocalModel
from encoder import SentenceEncoder
from errors import InputError
from tests.bench import FACT, HARM, Engine, Make, Shelf, benches, turn_of
from tests.tiny_model import CONTEXT, DIALOGUES, GREEDY, ask, one_thread, ready, shared_tiny_model, text


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModel]:
    with one_thread():
        yield ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True))


@dataclass
class RawEngine(Engine):
    """An engine that takes raw text, and whose prompt lists the numbered passages."""

    def raw_stream(self, request: ChatRequest) -> Iterator[Chunk]:
        return self.stream(request)

    def prompt_of(self, request: ChatRequest) -> str:
        said = " / ".join(message.content for message in request.messages)
        return f"{said}: {[passage.id for passage in request.passages]}"


# The assistant


def test_raw_text_is_neither_searched_for_nor_joined_by_history(make: Make) -> None:
    shelf, engine = Shelf(), RawEngine(["as it is [1] [7]"])
    before = Conversation("c", turns=(Turn("0", "Hi", Outcome.ANSWERED, "Hello."),))
    events = make(engine, [shelf]).reply("<bot>: say", before, raw=True, sources=())
    turn = turn_of(events)
    assert (turn.outcome, turn.answer, turn.passages) == (Outcome.ANSWERED, "as it is [1] [7]", ())
    assert "".join(event.text for event in events if isinstance(event, Delta)) == turn.answer
    assert [message.content for message in engine.asked[0].messages][-1] == "<bot>: say"
    assert shelf.asked == [] and not any(isinstance(event, Found) for event in events)


def test_raw_text_and_its_answer_are_screened(make: Make) -> None:
    bench = make(RawEngine(["Never shown."]))
    assert turn_of(bench.reply(f"a {HARM} text", raw=True)).outcome is Outcome.QUESTION_REFUSED
    assert bench.engine.asked == []
    assert turn_of(bench.reply(f"<a> <{HARM}>: <text>", raw=True)).outcome is Outcome.QUESTION_REFUSED
    assert bench.engine.asked == []
    events = make(RawEngine(["A fine sentence. ", f"A {HARM} one. "])).reply("go on", raw=True)
    assert any(isinstance(event, Retracted) for event in events)
    assert turn_of(events).outcome is Outcome.ANSWER_REFUSED
    assert turn_of(bench.reply(f"a {HARM} text", raw=True, moderation=False)).answer == "Never shown."


def test_an_engine_without_raw_text_is_named_at_once(make: Make) -> None:
    with pytest.raises(InputError, match="“engine”, which answers now"):
        make().reply("x", raw=True)


def test_the_shown_prompt_holds_the_passages_and_the_history_cites_them_by_their_places(make: Make) -> None:
    shelves = [Shelf("library"), Shelf("attic", text="Howard Florey made it a medicine in Oxford in 1941.")]
    bench = make(RawEngine(["Florey [2] and Fleming [1]."]), shelves)
    asked = Conversation("c")
    for name in ("first", "second"):
        turn = turn_of(bench.reply("Who discovered penicillin?", asked, sources=("library", "attic")))
        asked = asked.put(replace(turn, id=name))
    given = [passage.id for passage in bench.engine.asked[1].passages]
    assert [passage.id for passage in asked.turns[1].passages] == given
    assert asked.turns[1].answer == "Florey [1] and Fleming [2]."
    prompt = bench.assistant.prompt_of(asked, asked.turns[1], Sampling())
    question = "Who discovered penicillin?"
    assert prompt == f"{question} / Florey [2] and Fleming [1]. / {question}: {given}"
    assert FACT in asked.turns[1].passages[0].text


# The engine


@pytest.mark.parametrize(("question", "wanted"), DIALOGUES)
def test_the_shown_prompt_given_raw_leads_to_the_same_answer(tiny: LocalModel, question: str, wanted: str) -> None:
    assert isinstance(tiny, RawModel)
    prompt = tiny.prompt_of(ask(question))
    assert prompt.endswith(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")
    chunks = list(tiny.raw_stream(ask(prompt)))
    assert (text(chunks), chunks[-1].finish) == (wanted, Finish.STOP)
    assert tiny.prompt_of(ask(question, begun=wanted[:5])) == prompt + wanted[:5]


def test_raw_text_that_does_not_fit_or_cannot_be_sampled_is_refused(tiny: LocalModel) -> None:
    with pytest.raises(InputError, match=f"this model reads {CONTEXT:,} at once"):
        list(tiny.raw_stream(ask("water " * 2 * CONTEXT)))
    with pytest.raises(InputError, match="setting top_p is"):
        list(tiny.raw_stream(ask("Hello!", sampling=Sampling(top_p=0))))


def test_raw_text_is_cancelled_like_any_answer(tiny: LocalModel) -> None:
    cancel = threading.Event()
    cancel.set()
    request = ChatRequest((Message(Role.USER, "Hello!"),), sampling=GREEDY, cancel=cancel)
    assert list(tiny.raw_stream(request))[-1].finish is Finish.CANCELLED

"""Slash commands in the page, without a browser. python -m pytest tests/test_slash.py"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chat import catalogue
from chat.base import ChatRequest, Chunk, Finish, Sampling
from chat.conversation import Conversation, Kind, Outcome, Turn
from chat.rating import Keep, Rating, Reason, Thumb
from chat.ratings import Ratings, read
from chat.store import ConversationStore
from encoder import SentenceEncoder
from errors import ModelError
from finetune import export
from moderation.cases import Cases
from tests.bench import FACT, HARM, Bench, Engine, Make, benches
from tests.page_parts import chat_pane, model_panel, switches
from ui.chat import ChatHandlers
from ui.layout import Layout, Options
from ui.pane import Pane
from ui.slash import SlashCommands

_BROWSER = {"owner": "anna"}


class _Raw(Engine):
    """An engine whose prompts can be seen and written."""

    def raw_stream(self, request: ChatRequest) -> Iterator[Chunk]:
        self.asked.append(request)
        yield Chunk(f"{request.question} and so on")
        yield Chunk(finish=Finish.STOP)

    def prompt_of(self, request: ChatRequest) -> str:
        return f"<human>: {request.question}\n<bot>:"


class _Loaded(Engine):
    """A model that is loaded at once, or not at all."""

    def load(self, progress: Callable[[str], None] | None = None) -> None:
        if self.failure:
            raise self.failure


class _Page:
    """The handlers of a page, and one visitor's tab."""

    def __init__(
        self,
        bench: Bench,
        *,
        private: bool = True,
        forced: bool = False,
        picker: bool = True,
        ratings: Ratings | None = None,
    ) -> None:
        options = Options(("library",), ("library",), True, forced, picker, private, catalogue.load(), (".txt",), 1000)
        self.layout = _layout()
        self.store, self.assistant = ConversationStore(), bench.assistant
        self.loaded: dict[str, _Loaded] = {}
        keeps = ratings.keeps if ratings else None
        self.pane = Pane(self.layout, bench.assistant, self.store, Sampling(), keeps)
        slash = SlashCommands(
            self.layout, self.pane, bench.assistant, self.store, Engine(name="reader"), self._make, options, ratings
        )
        self.handlers = ChatHandlers(self.layout, bench.assistant, self.store, self.pane, slash, forced, ratings)
        self.tab = ""
        self.sources, self.moderation = ["library"], True

    def _make(self, name: str, /, *, model: str = "", key: str = "") -> _Loaded:
        return self.loaded.setdefault(name, _Loaded(name=name))

    def act(self, kind: str, text: str = "", turn: str = "", language: str = "en") -> dict[Any, Any]:
        """Everything that an act has changed on the page."""
        last = self.turns[-1].id if self.turns else ""
        request = gr.Request(headers={"accept-language": language})
        changed: dict[Any, Any] = {}
        given = json.dumps([kind, turn, text, last])
        for update in self.handlers.act(given, _BROWSER, self.tab, True, self.sources, self.moderation, {}, request):
            changed |= update
        self.tab = changed.get(self.layout.chat.tab, self.tab)
        return changed

    def type(self, line: str, language: str = "en") -> dict[Any, Any]:
        return self.act("send", line, language=language)

    @property
    def conversation(self) -> Conversation:
        return self.store.open(self.tab, "anna")

    @property
    def turns(self) -> tuple[Turn, ...]:
        return self.conversation.turns

    def note(self, changed: dict[Any, Any]) -> str:
        return str(changed.get(self.layout.chat.note, ""))


@pytest.fixture(scope="module")
def make(encoder: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with benches(encoder, tmp_path_factory.mktemp("slash")) as made:
        yield made


def test_what_a_command_says_is_shown_and_kept_out_of_prompts(make: Make) -> None:
    bench = make()
    page = _Page(bench)
    page.type("Who discovered penicillin?")
    page.type("/help")
    assert page.turns[-1].kind is Kind.COMMAND
    assert "/hyperparameters" in page.turns[-1].answer
    assert "/quit" not in page.turns[-1].answer
    page.type("And when?")
    assert [m.content for m in bench.engine.asked[-1].messages] == [
        "Who discovered penicillin?",
        "Fleming did. [1]",
        "And when?",
    ]


def test_a_line_that_is_no_command_returns_to_the_box_and_leaves_no_trace(make: Make) -> None:
    page = _Page(make())
    changed = page.type("/usr/bin is what?")
    assert "/say /usr/bin is what?" in page.note(changed)
    assert changed[page.layout.chat.message] == "/usr/bin is what?"
    assert not page.turns
    page.type("/say /usr/bin is what?")
    assert [turn.question for turn in page.turns] == ["/usr/bin is what?"]
    # What was sent as a message is asked again as a message.
    page.act("retry", turn=page.turns[-1].id)
    assert [(turn.question, turn.kind) for turn in page.turns] == [("/usr/bin is what?", Kind.MESSAGE)]


def test_settings_are_the_conversations_and_go_with_it(make: Make) -> None:
    bench = make()
    page = _Page(bench)
    page.type("/hyperparameters temperature=0 max_new_tokens=7")
    page.type("Who discovered penicillin?")
    assert bench.engine.asked[-1].sampling == Sampling(max_new_tokens=7, temperature=0)
    page.type("/reset")
    assert not page.turns
    page.type("Who discovered penicillin?")
    assert bench.engine.asked[-1].sampling.max_new_tokens == 7
    other = _Page(bench)
    other.type("Who discovered penicillin?")
    assert bench.engine.asked[-1].sampling == Sampling()
    assert "max_new_tokens is 0" in page.note(page.type("/hyperparameters max_new_tokens=0"))


def test_switches_follow_the_commands(make: Make) -> None:
    page = _Page(make())
    switches = page.layout.switches
    assert page.type("/sources none")[switches.retrieval] is False
    page.sources = []
    changed = page.type("/sources library")
    assert (changed[switches.retrieval], changed[switches.sources]) == (True, ["library"])
    assert page.type("/moderation off")[switches.moderation] is False
    assert switches.moderation not in page.type("/moderation")
    forced = _Page(make(), forced=True)
    assert "stays on" in forced.note(forced.type("/moderation off"))


def test_a_refusal_is_contested_by_command_and_by_button(make: Make, tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    page = _Page(make(cases=cases))
    assert "Nothing was refused" in page.note(page.type("/contest"))
    page.type(f"a {HARM} question")
    page.type("/contest")
    assert page.turns[-1].answer.startswith("Thank you")
    assert page.turns[0].flags[0].contested
    assert [case.text for case in cases.all()] == [""]
    page.act("contest", "user text", page.turns[0].id)
    assert page.turns[0].flags[0].text_kept
    assert [case.text for case in cases.all()] == [f"a {HARM} question"]
    assert "no longer on the server" in page.note(page.act("contest", "user", "nothing"))


def _under(entry: Any) -> str:
    """What stands under an answer."""
    return str(entry["content"][-1].value)


def test_an_answer_is_rated_by_command_and_by_button(make: Make, tmp_path: Path) -> None:
    ratings = Ratings(tmp_path, Keep.ASK)
    page = _Page(make(), ratings=ratings)
    assert "Nothing has been asked" in page.note(page.type("/good"))
    page.type("Who discovered penicillin?")
    asked = page.turns[0].id
    page.type("/bad untrue")
    assert "The text was not kept" in page.turns[-1].answer
    assert page.turns[0].rating == Rating(Thumb.DOWN, (Reason.UNTRUE,), explained=True)
    shown = page.act("rate", json.dumps({"thumb": "up", "keep": True, "explained": True}), asked)
    assert page.turns[0].rating == Rating(Thumb.UP, keep=True, explained=True)
    assert "kept for training" in _under(shown[page.layout.chat.chatbot][1])
    assert "1 of your answers is kept" in shown[page.layout.switches.ratings]
    assert [one.answer for one in read(tmp_path)] == ["Fleming did. [1]"]
    page.act("rate", "null", asked)
    assert not page.turns[0].rating and not read(tmp_path)
    page.type("/good text")
    page.act("forget")
    assert not page.turns[0].rating and not read(tmp_path)
    assert "no answer here" in page.note(page.act("rate", '{"thumb": "up"}', "another"))


def test_a_bad_answer_that_is_retried_and_then_good_becomes_a_pair(make: Make, tmp_path: Path) -> None:
    bench = make(Engine(["Nobody ", "did. [1]"]))
    page = _Page(bench, ratings=Ratings(tmp_path, Keep.ASK))
    page.type("Who discovered penicillin?")
    page.type("/bad untrue text")
    bench.engine.pieces = ("Fleming ", "did. [1]")
    page.act("retry", turn=page.turns[0].id)
    assert page.turns[0].rating is None
    page.type("/good text")
    assert export.main(["--out", str(tmp_path / "out"), "--data-folder", str(tmp_path), "--pairs"]) == 0
    (pair,) = map(json.loads, (tmp_path / "out").read_text(encoding="utf-8").splitlines())
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("Fleming did. [1]", "Nobody did. [1]")
    assert FACT in pair["prompt"][-1]["content"]


def test_where_ratings_are_off_there_are_no_thumbs_and_no_commands(make: Make) -> None:
    page = _Page(make())
    shown = page.type("Who discovered penicillin?")
    under = _under(shown[page.layout.chat.chatbot][1])
    assert "gc-foot" in under
    assert "data-gc-thumb" not in under
    assert "switched that off" in page.note(page.type("/good"))
    page.type("/help")
    assert "/bad" not in page.turns[-1].answer


def test_an_answer_that_is_rated_while_the_next_is_written_stays_rated(make: Make, tmp_path: Path) -> None:
    page = _Page(make(), ratings=Ratings(tmp_path, Keep.ASK))
    page.type("Who discovered penicillin?")
    first, request = page.turns[0].id, gr.Request(headers={})
    given = json.dumps(["send", "", "And who else?", first])
    updates = page.handlers.act(given, _BROWSER, page.tab, True, [], True, {}, request)
    next(updates)
    page.act("rate", '{"thumb": "up"}', first)
    last = [update[page.layout.chat.chatbot] for update in updates if page.layout.chat.chatbot in update][-1]
    assert 'aria-pressed="true"' in _under(last[1])
    assert 'aria-pressed="true"' not in _under(last[3])


def test_what_is_screened_is_told_in_the_visitors_language(make: Make) -> None:
    page = _Page(make())
    assert "A text that cannot be checked is refused." in page.handlers.policy(gr.Request(headers={}))
    assert "无法审核" in page.handlers.policy(gr.Request(headers={"accept-language": "zh-CN"}))


def test_raw_text_and_prompts(make: Make) -> None:
    bench = make(_Raw())
    page = _Page(bench)
    page.type("Who discovered penicillin?")
    page.type("/raw_say <human>: Hi")
    assert (page.turns[-1].kind, page.turns[-1].answer) == (Kind.RAW, "<human>: Hi and so on")
    page.act("retry", turn=page.turns[-1].id)
    assert page.turns[-1].kind is Kind.RAW
    page.type("/raw_prompt")
    assert page.turns[-1].answer == "<human>: Who discovered penicillin?\n<bot>:"
    page.type("/undo")
    assert [turn.question for turn in page.turns] == []


def test_an_engine_that_takes_no_raw_text_says_so(make: Make) -> None:
    page = _Page(make())
    changed = page.type("/raw_say Once upon", language="zh")
    assert "不接受原始文本" in page.note(changed)
    assert not page.turns


def test_retry_undo_and_continue_as_commands(make: Make) -> None:
    bench = make(Engine(pieces=("Fleming ", "did, in ")))
    page = _Page(bench)
    page.type("Who discovered penicillin?")
    page.type("/help")
    page.type("/retry")
    assert [turn.question for turn in page.turns] == ["Who discovered penicillin?"]
    cut = page.turns[0]
    page.store.change(page.tab, "anna", lambda now: now.put(_ended(cut, Outcome.LENGTH)))
    bench.engine.pieces = ("London.",)
    page.type("/continue")
    assert bench.engine.asked[-1].begun == "Fleming did, in"
    assert [(turn.id, turn.outcome) for turn in page.turns] == [(cut.id, Outcome.ANSWERED)]
    assert page.turns[0].answer.startswith("Fleming did, in")
    changed = page.type("/undo")
    assert not page.turns
    assert changed[page.layout.chat.message].value == "Who discovered penicillin?"


def test_continue_goes_on_from_what_is_there_and_a_failure_leaves_it(make: Make) -> None:
    bench = make(Engine(pieces=("One, two, ",)))
    page = _Page(bench)
    page.type("Count.")
    cut = _ended(page.turns[0], Outcome.LENGTH)
    page.store.change(page.tab, "anna", lambda now: now.put(cut))
    page.type("/help")
    bench.engine.failure = ModelError("The server went away.")
    page.act("continue", turn=cut.id)
    assert bench.engine.asked[-1].begun == "One, two,"
    (turn,) = page.turns
    assert (turn.outcome, turn.notices) == (Outcome.BROKEN_OFF, ("The server went away.",))
    assert turn.answer == "One, two,One, two,"
    bench.engine.pieces = ()
    page.act("continue", turn=cut.id)
    assert page.turns == (dataclasses.replace(turn, notices=(*turn.notices, "The server went away.")),)


def test_a_model_is_loaded_and_one_that_fails_leaves_the_old_one(make: Make) -> None:
    bench = make()
    page = _Page(bench)
    page.loaded["a/broken"] = _Loaded(name="a/broken", failure=ModelError("The model “a/broken” is not on the hub."))
    page.type("/model a/broken")
    assert page.turns[-1].answer == "The model “a/broken” is not on the hub.\nengine goes on answering."
    changed = page.type("/model a/tiny")
    assert page.turns[-1].answer == "a/tiny answers from now on."
    assert "a/tiny" in changed[page.layout.models.now]
    page.type("/model READER")
    assert bench.models.current.name == "reader"


@pytest.mark.parametrize(
    ("private", "picker", "says"), [(False, True, "only models of the list"), (True, False, "operator")]
)
def test_a_public_page_loads_only_what_its_operator_offers(make: Make, private: bool, picker: bool, says: str) -> None:
    bench = make()
    page = _Page(bench, private=private, picker=picker)
    changed = page.type(f"/model {Path.cwd()}")
    assert says in page.note(changed) + "".join(turn.answer for turn in page.turns)
    assert bench.models.current is bench.engine


def _layout() -> Layout:
    """The components that the handlers name; they need no page around them."""
    unused: Any = None
    return Layout(unused, chat_pane(), switches(), unused, model_panel(), unused)


def _ended(turn: Turn, outcome: Outcome) -> Turn:
    return dataclasses.replace(turn, outcome=outcome)

"""What a person is told when a handler of the chat fails. python -m pytest tests/test_chat_handlers.py"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from chat.base import Sampling
from chat.conversation import Conversation
from chat.store import ConversationStore
from tests.page_parts import chat_pane
from ui.chat import ChatHandlers
from ui.pane import Pane

_BROWSER = {"owner": "anna"}


class _BrokenStore(ConversationStore):
    def get(self, conversation_id: str, owner: str) -> Conversation | None:
        raise RuntimeError("the disk is on fire")


def _told(store: ConversationStore, language: str, *act: str) -> tuple[str, Any]:
    """(the line beside the message box, what the box holds then) after an act."""
    pane = chat_pane()
    assistant = SimpleNamespace(sources=SimpleNamespace(all=(), named=lambda names: []))
    page = cast(Any, SimpleNamespace(chat=pane))
    shown = Pane(page, cast(Any, assistant), store, Sampling())
    handlers = ChatHandlers(page, cast(Any, assistant), store, shown, cast(Any, None), moderation_forced=False)
    request = gr.Request(headers={"accept-language": language})
    updates = list(handlers.act(json.dumps(act), _BROWSER, "tab", True, [], True, {}, request))
    assert len(updates) == 1
    assert pane.chatbot not in updates[0]
    return updates[0][pane.note], updates[0].get(pane.message)


@pytest.mark.parametrize(
    ("language", "says"),
    [("en", "Something went wrong inside Groundchat"), ("zh", "Groundchat 内部出错了")],
)
def test_a_bug_is_one_sentence_for_the_person_and_a_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture, language: str, says: str
) -> None:
    line, box = _told(_BrokenStore(), language, "send", "", "Who discovered penicillin?")
    assert says in line
    assert "fire" not in line
    assert box == "Who discovered penicillin?"
    assert caplog.records[0].exc_info
    assert "the disk is on fire" in caplog.text


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (("send", "", "  ", ""), "Your message is empty"),
        (("edit", "turn", " \n ", "turn"), "Your message is empty"),
        (("retry", "turn", "", "turn"), "Your message is empty"),
        (("undo", "turn", "", "turn"), "no longer on the server"),
    ],
)
def test_what_cannot_be_done_leaves_the_pane_and_the_box_alone(act: tuple[str, ...], says: str) -> None:
    line, box = _told(ConversationStore(), "en", *act)
    assert says in line
    assert box is None

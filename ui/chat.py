"""What happens when a person sends, stops, edits, retries, takes back or starts anew.

The server's conversation is authoritative: the pane only shows it, and what the browser sends back of it is ignored.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from chat.assistant import Ask, Assistant, check_question
from chat.base import Sampling
from chat.conversation import Conversation, Outcome, Turn, new_id
from chat.events import Delta, Done, Event, Retracted, Status
from chat.store import ConversationStore
from errors import AppError
from ui.layout import Layout
from ui.render import Entry, banner, entries, unshielded
from ui.runs import Runs
from ui.telling import told
from ui.texts import EXAMPLES, STAGES, page_language, say

Update = dict[Any, Any]
Browser = dict[str, str]

_EVERY_S = 0.05
"""Shortest time between two updates of the pane."""


class ChatHandlers:
    """Handlers of the chat pane. Each reads what it needs and returns only what it changes."""

    def __init__(
        self,
        page: Layout,
        assistant: Assistant,
        store: ConversationStore,
        sampling: Sampling,
        moderation_forced: bool,
    ) -> None:
        self._page = page
        self._assistant = assistant
        self._store = store
        self._sampling = sampling
        self._moderation_forced = moderation_forced
        self._runs = Runs()

    def open(self, browser: Browser, request: gr.Request) -> Update:
        """The page was opened: give the visitor an owner key, bring the last conversation back, show examples."""
        language = spoken(request)
        owner = browser.get("owner") or secrets.token_urlsafe(24)
        conversation = self._store.open(browser.get("conversation", ""), owner)
        shown: list[Any] = self._shown(conversation, language)
        sources = [(source.label(language), source.name) for source in self._assistant.sources.all]
        return {
            self._page.browser: {"owner": owner, "conversation": conversation.id},
            self._page.chat.chatbot: gr.Chatbot(
                value=shown,
                placeholder=f"# {say(language, 'welcome')}\n{say(language, 'welcome_more')}",
                examples=[{"text": say(language, key)} for key in EXAMPLES],
            ),
            self._page.switches.sources: gr.CheckboxGroup(choices=sources),
        }

    def loading(self, moderation: bool, request: gr.Request) -> Iterator[Update]:
        """While the app is still loading, say what; the page is usable meanwhile."""
        language = spoken(request)
        try:
            for says in self._assistant.startup.wait(threading.Event()):
                yield {self._page.chat.banner: banner("loading", f"{says}… {say(language, 'loading_note')}")}
        except AppError as error:
            yield {self._page.chat.banner: banner("failed", str(error))}
            return
        yield self.moderation_switched(moderation, request)

    def send(
        self,
        message: str,
        browser: Browser,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        request: gr.Request,
    ) -> Iterator[Update]:
        """A new message."""
        conversation = self._conversation(browser)
        yield from self._reply(message, conversation, retrieval, sources, moderation, spoken(request))

    def example(
        self,
        browser: Browser,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        picked: gr.SelectData,
        request: gr.Request,
    ) -> Iterator[Update]:
        """A click on an example sends it."""
        conversation = self._conversation(browser)
        yield from self._reply(picked.value["text"], conversation, retrieval, sources, moderation, spoken(request))

    def retry(
        self,
        browser: Browser,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        picked: gr.RetryData,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Ask the same again; the turns after it go."""
        turn, conversation = self._picked(browser, picked.index)
        yield from self._reply(turn.question, conversation, retrieval, sources, moderation, spoken(request))

    def edit(
        self,
        browser: Browser,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        picked: gr.EditData,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Ask something else in the place of a question; the turns after it go."""
        _, conversation = self._picked(browser, picked.index)
        message = unshielded(str(picked.value))
        yield from self._reply(message, conversation, retrieval, sources, moderation, spoken(request))

    def undo(self, browser: Browser, picked: gr.UndoData, request: gr.Request) -> Update:
        """Take the last turn back; its question returns to the input line."""
        turn, conversation = self._picked(browser, picked.index)
        self._runs.stop(conversation.id)
        self._store.put(conversation)
        return {
            self._page.chat.chatbot: self._shown(conversation, spoken(request)),
            self._page.chat.message: turn.question,
        }

    def stop(self, browser: Browser) -> None:
        """End the reply that is being written; what is there stays."""
        self._runs.stop(browser["conversation"])

    def reset(self, browser: Browser) -> Update:
        """Begin a new conversation."""
        self._runs.stop(browser["conversation"])
        return {
            # Made anew: what comes back from the browser may hold marks of Gradio's own.
            self._page.browser: {"owner": browser["owner"], "conversation": ""},
            self._page.chat.chatbot: [],
            self._page.chat.message: gr.Textbox(value="", submit_btn=True, stop_btn=False),
        }

    def moderation_switched(self, moderation: bool, request: gr.Request) -> Update:
        """Switching moderation off is plain to see."""
        off = not moderation and not self._moderation_forced
        return {self._page.chat.banner: banner("off", say(spoken(request), "moderation_off")) if off else ""}

    def _conversation(self, browser: Browser) -> Conversation:
        return self._store.open(browser["conversation"], browser["owner"])

    def _picked(self, browser: Browser, index: int | tuple[int, int] | list[int]) -> tuple[Turn, Conversation]:
        """The turn at a place in the pane (two entries a turn), and the conversation before it."""
        place = index if isinstance(index, int) else index[0]
        conversation = self._conversation(browser)
        if not 0 <= place // 2 < len(conversation.turns):
            raise gr.Error("This conversation is no longer on the server; ask your question again.", duration=None)
        turn = conversation.turns[place // 2]
        return turn, conversation.before(turn.id)

    def _shown(self, conversation: Conversation, language: str) -> list[Entry]:
        labels = self._labels(language)
        return [entry for turn in conversation.turns for entry in entries(turn, language, labels=labels)]

    def _labels(self, language: str) -> dict[str, str]:
        known = (*self._assistant.sources.all, self._assistant.guide)
        return {source.name: source.label(language) for source in known}

    def _reply(
        self,
        question: str,
        before: Conversation,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        language: str,
    ) -> Iterator[Update]:
        """Stream one reply into the pane. The turn is stored before it is shown as done, and when the tab closes."""
        with told():
            check_question(question)
        cancel = self._runs.start(before.id)
        ask = Ask(
            turn_id=new_id(),
            question=question,
            conversation=before,
            sources=tuple(sources) if retrieval else (),
            moderation=moderation or self._moderation_forced,
            sampling=self._sampling,
            cancel=cancel,
        )
        turn = Turn(ask.turn_id, question)
        shown, labels = self._shown(before, language), self._labels(language)
        busy = gr.Textbox(value="", submit_btn=False, stop_btn=True)
        status = say(language, "checking")
        browser = {"owner": before.owner, "conversation": before.id}
        self._store.put(before.put(turn))
        events = self._assistant.reply(ask)
        try:
            yield {
                self._page.chat.message: busy,
                self._page.browser: browser,
                self._page.chat.chatbot: shown + entries(turn, language, status=status),
            }
            updated = 0.0
            for event in events:
                turn, status = _after(event, turn, status, language)
                if isinstance(event, Done):
                    break
                if isinstance(event, Status | Retracted) or time.monotonic() - updated >= _EVERY_S:
                    yield {self._page.chat.chatbot: shown + entries(turn, language, status=status)}
                    updated = time.monotonic()
        finally:
            cancel.set()
            events.close()
            if turn.outcome is Outcome.PENDING:
                turn = dataclasses.replace(turn, outcome=Outcome.STOPPED)
            # A reset or a newer message may have moved on: only the place this turn holds is written.
            self._keep(before, turn)
            self._runs.finish(before.id, cancel)
        yield {
            self._page.chat.chatbot: shown + entries(turn, language, labels=labels),
            self._page.chat.message: gr.Textbox(submit_btn=True, stop_btn=False),
        }

    def _keep(self, before: Conversation, turn: Turn) -> None:
        now = self._store.get(before.id, before.owner)
        if now is not None and any(t.id == turn.id for t in now.turns):
            self._store.put(now.put(turn))


def _after(event: Event, turn: Turn, status: str, language: str) -> tuple[Turn, str]:
    """The turn and the status line once `event` has happened."""
    if isinstance(event, Done):
        return event.turn, ""
    if isinstance(event, Delta):
        return dataclasses.replace(turn, answer=turn.answer + event.text), ""
    if isinstance(event, Retracted):
        return dataclasses.replace(turn, answer=""), status
    if isinstance(event, Status):
        return turn, say(language, STAGES[event.stage], detail=event.detail)
    return turn, status


def spoken(request: gr.Request) -> str:
    """The page's language for this visitor."""
    return page_language(request.headers.get("accept-language", ""))

"""What happens when a person sends, stops, edits, retries, takes back or starts anew.

The server's conversation is authoritative: the pane only shows it, and what the browser sends back of it is ignored.
Every tab has a conversation of its own, named by `tab`; turns are named by their ids, never by their place in the pane.
A message sent while another one is being answered waits for its turn. Nothing here raises `gr.Error`: Gradio would lay
it over the conversation, so what went wrong becomes one line beside the message box.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from chat.assistant import Ask, Assistant, check_question
from chat.base import Sampling
from chat.conversation import Conversation, Outcome, Turn, begin, new_id
from chat.events import Delta, Done, Event, Retracted, Status
from chat.store import ConversationStore
from errors import AppError
from ui.acts import Act, Wish, picked
from ui.layout import Layout
from ui.render import Entry, banner, entries, note
from ui.runs import Run, Runs
from ui.texts import EXAMPLES, STAGES, loading, page_language, say

logger = logging.getLogger(__name__)

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
        self._acts = {
            "send": self._send,
            "retry": self._retry,
            "edit": self._edit,
            "undo": self._undo,
            "continue": self._continue,
        }

    def open(self, browser: Browser, tab: str, request: gr.Request) -> Update:
        """The page was opened: give the visitor an owner key, bring the tab's conversation back, show examples."""
        language = spoken(request)
        owner = browser.get("owner") or secrets.token_urlsafe(24)
        conversation = self._store.get(tab, owner)
        shown: list[Any] = self._pane(conversation, language) if conversation else []
        opened = conversation or self._begin(owner)
        sources = [(source.label(language), source.name) for source in self._assistant.sources.all]
        return {
            self._page.browser: {"owner": owner},
            self._page.chat.tab: opened.id,
            self._page.chat.chatbot: gr.Chatbot(
                value=shown,
                placeholder=f"# {say(language, 'welcome')}\n{say(language, 'welcome_more')}",
                examples=[{"text": say(language, key)} for key in EXAMPLES],
            ),
            self._page.chat.note: note(say(language, "moved")) if tab and conversation is None else "",
            self._page.switches.sources: gr.CheckboxGroup(choices=sources),
        }

    def loading(self, moderation: bool, request: gr.Request) -> Iterator[Update]:
        """While the app is still loading, say what; the page is usable meanwhile."""
        language = spoken(request)
        try:
            for says in self._assistant.startup.wait(threading.Event()):
                waits = f"{loading(language, says)}… {say(language, 'loading_note')}"
                yield {self._page.chat.banner: banner("loading", waits)}
        except AppError as error:
            yield {self._page.chat.banner: banner("failed", error.told(language))}
            return
        yield self.moderation_switched(moderation, request)

    def act(
        self,
        bridged: str,
        browser: Browser,
        tab: str,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        request: gr.Request,
    ) -> Iterator[Update]:
        """A new message, or a click on a button under a turn."""
        if bridged:
            wish = self._wish(browser, tab, retrieval, sources, moderation, request)
            yield from self._do(Act(*json.loads(bridged)), wish)

    def example(
        self,
        browser: Browser,
        tab: str,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        chosen: gr.SelectData,
        request: gr.Request,
    ) -> Iterator[Update]:
        """A click on an example sends it."""
        wish = self._wish(browser, tab, retrieval, sources, moderation, request)
        yield from self._do(Act("send", "", chosen.value["text"]), wish)

    def stop(self, tab: str) -> None:
        """End the reply that is being written; what is there stays."""
        self._runs.stop(tab)

    def reset(self, browser: Browser, tab: str) -> Update:
        """Begin a new conversation in this tab. What is being typed stays."""
        self._runs.drop(tab)
        return {
            self._page.chat.tab: self._begin(browser["owner"]).id,
            self._page.chat.chatbot: [],
            self._page.chat.note: "",
            self._page.chat.message: _idle(),
        }

    def moderation_switched(self, moderation: bool, request: gr.Request) -> Update:
        """Switching moderation off is plain to see."""
        off = not moderation and not self._moderation_forced
        return {self._page.chat.banner: banner("off", say(spoken(request), "moderation_off")) if off else ""}

    def _begin(self, owner: str) -> Conversation:
        conversation = begin(owner)
        self._store.put(conversation)
        return conversation

    def _wish(
        self, browser: Browser, tab: str, retrieval: bool, sources: list[str], moderation: bool, request: gr.Request
    ) -> Wish:
        return Wish(
            owner=browser["owner"],
            tab=tab,
            sources=tuple(sources) if retrieval else (),
            moderation=moderation or self._moderation_forced,
            language=spoken(request),
        )

    def _do(self, act: Act, wish: Wish) -> Iterator[Update]:
        """What was wished; an error becomes a line beside the message box, and what was typed returns there."""
        try:
            yield from self._acts[act.kind](act, wish)
            return
        except AppError as error:
            says = error.told(wish.language)
        except Exception:
            logger.exception("“%s” failed", act.kind)
            says = say(wish.language, "bug")
        shown: Update = {self._page.chat.note: note(says)}
        if act.kind in ("send", "edit") and act.text.strip():
            shown[self._page.chat.message] = act.text
        yield shown

    def _send(self, act: Act, wish: Wish) -> Iterator[Update]:
        check_question(act.text)
        conversation = self._store.get(wish.tab, wish.owner)
        moved = conversation is None and bool(act.last)
        yield from self._answer(act.text, conversation or self._begin(wish.owner), wish, moved)

    def _retry(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Ask the same again; the turns after it go."""
        conversation = self._store.get(wish.tab, wish.owner)
        if conversation is None:
            yield from self._send(act, wish)
            return
        turn = picked(conversation, act)
        if turn is None:
            yield self._changed(conversation, wish)
            return
        yield from self._answer(turn.question, self._back_to(conversation, turn), wish)

    def _edit(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Ask something else in the place of a question; the turns after it go."""
        check_question(act.text)
        conversation = self._store.get(wish.tab, wish.owner)
        if conversation is None:
            yield from self._send(act, wish)
            return
        turn = picked(conversation, act)
        if turn is None:
            yield self._changed(conversation, wish) | {self._page.chat.message: act.text}
            return
        yield from self._answer(act.text, self._back_to(conversation, turn), wish)

    def _continue(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Go on with the newest answer, which was cut."""
        conversation = self._store.get(wish.tab, wish.owner)
        turn = picked(conversation, act) if conversation else None
        if conversation is None:
            yield {self._page.chat.note: note(say(wish.language, "moved_away"))}
        elif turn is None:
            yield self._changed(conversation, wish)
        elif turn is not conversation.turns[-1]:
            yield {self._page.chat.note: note(say(wish.language, "not_newest"))}
        else:
            yield from self._run(turn, conversation, wish, resumed=True)

    def _undo(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Take the last turn back; its question returns to the message box unless something is being typed there."""
        conversation = self._store.get(wish.tab, wish.owner)
        turn = picked(conversation, act) if conversation else None
        if conversation is None:
            yield {self._page.chat.note: note(say(wish.language, "moved_away"))}
        elif turn is None:
            yield self._changed(conversation, wish)
        else:
            before = self._back_to(conversation, turn)
            yield {
                self._page.chat.chatbot: self._pane(before, wish.language),
                self._page.chat.message: _idle(act.text or turn.question),
                self._page.chat.note: "",
            }

    def _changed(self, conversation: Conversation, wish: Wish) -> Update:
        """The page showed turns that are no longer there, or lacked newer ones: show what there is, and say so."""
        return {
            self._page.chat.chatbot: self._pane(conversation, wish.language),
            self._page.chat.note: note(say(wish.language, "changed")),
        }

    def _back_to(self, conversation: Conversation, turn: Turn) -> Conversation:
        """The conversation before a turn; that one and what came after it are gone, answers under way too."""
        self._runs.drop(conversation.id)
        changed = self._store.change(conversation.id, conversation.owner, lambda now: now.before(turn.id))
        return changed or conversation.before(turn.id)

    def _pane(self, conversation: Conversation, language: str) -> list[Entry]:
        """The whole conversation; answers under way as they stand."""
        under_way = {run.turn_id for run in self._runs.now(conversation.id)}
        done = [turn for turn in conversation.turns if turn.id not in under_way]
        return self._done(done, language) + self._under_way(conversation.id)

    def _done(self, turns: Sequence[Turn], language: str) -> list[Entry]:
        labels = self._labels(language)
        return [entry for turn in turns for entry in entries(turn, language, labels)]

    def _under_way(self, conversation_id: str) -> list[Entry]:
        return [entry for run in self._runs.now(conversation_id) for entry in run.shown]

    def _labels(self, language: str) -> dict[str, str]:
        known = (*self._assistant.sources.all, self._assistant.guide)
        return {source.name: source.label(language) for source in known}

    def _answer(self, question: str, conversation: Conversation, wish: Wish, moved: bool = False) -> Iterator[Update]:
        """Put the question at the end of the conversation, wait for its turn, and answer it.

        `moved`: the page shows turns of a conversation that the server no longer has.
        """
        self._assistant.sources.named(wish.sources)
        yield from self._run(Turn(new_id(), question), conversation, wish, moved)

    def _run(
        self, turn: Turn, conversation: Conversation, wish: Wish, moved: bool = False, resumed: bool = False
    ) -> Iterator[Update]:
        """Wait for the turn's turn, and answer it; `resumed`: go on with the answer that it has."""
        run = self._runs.join(conversation.id, turn.id)
        resume = turn if resumed else None
        turn = dataclasses.replace(turn, outcome=Outcome.PENDING, notices=())
        try:
            waits = say(wish.language, "checking" if run.first.is_set() else "waiting")
            run.shown = entries(turn, wish.language, status=waits)
            changed = self._store.change(conversation.id, wish.owner, lambda now: now.put(turn))
            now = changed or conversation.put(turn)
            yield {
                self._page.chat.tab: now.id,
                self._page.chat.chatbot: self._pane(now, wish.language),
                self._page.chat.message: _busy(),
                self._page.chat.note: note(say(wish.language, "moved"), moved=True) if moved else "",
            }
            run.first.wait()
            if not run.dropped:
                yield from self._write(turn, now.id, run, wish, resume)
        finally:
            run.cancel.set()
            self._keep(conversation.id, wish.owner, dataclasses.replace(turn, outcome=Outcome.STOPPED), pending=True)
            self._runs.leave(conversation.id, run)

    def _write(self, turn: Turn, conversation_id: str, run: Run, wish: Wish, resume: Turn | None) -> Iterator[Update]:
        """Stream one reply into the pane. The turn is stored before it is shown as done, and when the tab closes."""
        now = self._store.get(conversation_id, wish.owner) or begin(wish.owner)
        before = now.before(turn.id)
        done, language = self._done(before.turns, wish.language), wish.language
        ask = Ask(turn.id, turn.question, before, wish.sources, wish.moderation, self._sampling, cancel=run.cancel)
        events = self._assistant.reply(ask)
        status = say(language, "checking")
        try:
            updated = 0.0
            for event in events:
                turn, status = _after(event, turn, status, language)
                run.shown = entries(turn, language, status=status)
                if isinstance(event, Done) or run.dropped:
                    break
                if isinstance(event, Status | Retracted) or time.monotonic() - updated >= _EVERY_S:
                    yield {self._page.chat.chatbot: done + self._under_way(conversation_id)}
                    updated = time.monotonic()
        finally:
            run.cancel.set()
            events.close()
            if turn.outcome is Outcome.PENDING:
                turn = dataclasses.replace(turn, outcome=Outcome.STOPPED)
            self._keep(conversation_id, wish.owner, turn)
        if not run.dropped:
            run.shown = entries(turn, language, self._labels(language))
            others = self._runs.now(conversation_id)[1:]
            yield {
                self._page.chat.chatbot: done + self._under_way(conversation_id),
                self._page.chat.message: _busy() if others else _idle(),
            }

    def _keep(self, conversation_id: str, owner: str, turn: Turn, *, pending: bool = False) -> None:
        """Store a turn in the place it holds, where it was not taken out (or, with `pending`, ended) meanwhile."""

        def kept(now: Conversation) -> Conversation:
            held = next((t for t in now.turns if t.id == turn.id), None)
            ended = held is not None and held.outcome is not Outcome.PENDING
            return now if held is None or (pending and ended) else now.put(turn)

        self._store.change(conversation_id, owner, kept)


def _busy() -> gr.Textbox:
    return gr.Textbox(submit_btn=False, stop_btn=True)


def _idle(text: str | None = None) -> gr.Textbox:
    """The message box when nothing is being answered; with `text` in it, where given."""
    return (
        gr.Textbox(submit_btn=True, stop_btn=False)
        if text is None
        else gr.Textbox(text, submit_btn=True, stop_btn=False)
    )


def _after(event: Event, turn: Turn, status: str, language: str) -> tuple[Turn, str]:
    """The turn and the status line once `event` has happened."""
    if isinstance(event, Done):
        return event.turn, ""
    if isinstance(event, Delta):
        return dataclasses.replace(turn, answer=turn.answer + event.text), ""
    if isinstance(event, Retracted):
        return dataclasses.replace(turn, answer=""), status
    if isinstance(event, Status):
        detail = loading(language, event.detail)
        return turn, say(language, STAGES[event.stage], detail=detail)
    return turn, status


def spoken(request: gr.Request) -> str:
    """The page's language for this visitor."""
    return page_language(request.headers.get("accept-language", ""))

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
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from chat.assistant import Assistant, check_question
from chat.commands import is_command
from chat.conversation import Conversation, Kind, Turn, new_id
from chat.rating import Rating, given
from chat.ratings import Ratings
from chat.store import ConversationStore
from errors import AppError
from moderation.base import Side
from moderation.policy_words import in_words
from ui.acts import Act, Browser, Wish, picked
from ui.layout import Layout
from ui.pane import Pane, Update, idle
from ui.ratings import told
from ui.render import banner, note, paragraphs
from ui.slash import SlashCommands
from ui.source_settings import Kept
from ui.telling import spoken
from ui.texts import EXAMPLES, loading, say

logger = logging.getLogger(__name__)


class ChatHandlers:
    """Handlers of the chat pane. Each reads what it needs and returns only what it changes."""

    def __init__(
        self,
        page: Layout,
        assistant: Assistant,
        store: ConversationStore,
        pane: Pane,
        slash: SlashCommands,
        moderation_forced: bool,
        ratings: Ratings | None = None,
    ) -> None:
        """`ratings` is None where answers cannot be rated."""
        self._page = page
        self._assistant = assistant
        self._store = store
        self._pane = pane
        self._slash = slash
        self._moderation_forced = moderation_forced
        self._ratings = ratings
        self._acts = {
            "send": self._send,
            "retry": self._retry,
            "edit": self._edit,
            "undo": self._undo,
            "continue": self._continue,
            "contest": self._contest,
            "rate": self._rate,
            "forget": self._forget,
        }

    def open(self, browser: Browser, tab: str, request: gr.Request) -> Update:
        """The page was opened: give the visitor an owner key, bring the tab's conversation back, show examples."""
        language = spoken(request)
        owner = browser.get("owner") or secrets.token_urlsafe(24)
        conversation = self._store.get(tab, owner)
        shown: list[Any] = self._pane.shown(conversation, language) if conversation else []
        opened = conversation or self._pane.begin(owner)
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
            self._page.switches.policy: self.policy(request),
        }

    def policy(self, request: gr.Request) -> str:
        """What is screened, by the policy in force."""
        return paragraphs(in_words(self._assistant.policy, spoken(request)))

    def rated(self, browser: Browser, request: gr.Request) -> str:
        """What happens to ratings, and how many of the visitor's are kept with their text."""
        language = spoken(request)
        try:
            return self._told(browser["owner"], language)
        except AppError as error:
            return paragraphs([error.told(language)])

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
        settings: Kept,
        request: gr.Request,
    ) -> Iterator[Update]:
        """A new message, or a click on a button under a turn."""
        if bridged:
            wish = self._wish(browser, tab, retrieval, sources, moderation, settings, request)
            yield from self._do(Act(*json.loads(bridged)), wish)

    def example(
        self,
        browser: Browser,
        tab: str,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        settings: Kept,
        chosen: gr.SelectData,
        request: gr.Request,
    ) -> Iterator[Update]:
        """A click on an example sends it."""
        wish = self._wish(browser, tab, retrieval, sources, moderation, settings, request)
        yield from self._do(Act("send", "", chosen.value["text"]), wish)

    def stop(self, tab: str) -> None:
        """End the reply that is being written; what is there stays."""
        self._pane.runs.stop(tab)

    def reset(self, browser: Browser, tab: str) -> Update:
        """Begin a new conversation in this tab. What is being typed stays."""
        self._pane.runs.drop(tab)
        old = self._store.get(tab, browser["owner"])
        return self._pane.anew(self._pane.begin(browser["owner"], old.sampling if old else None))

    def moderation_switched(self, moderation: bool, request: gr.Request) -> Update:
        """Switching moderation off is plain to see."""
        off = not moderation and not self._moderation_forced
        return {self._page.chat.banner: banner("off", say(spoken(request), "moderation_off")) if off else ""}

    def _wish(
        self,
        browser: Browser,
        tab: str,
        retrieval: bool,
        sources: list[str],
        moderation: bool,
        settings: Kept,
        request: gr.Request,
    ) -> Wish:
        return Wish(
            owner=browser["owner"],
            tab=tab,
            sources=tuple(sources) if retrieval else (),
            moderation=moderation or self._moderation_forced,
            language=spoken(request),
            settings=settings,
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
        yield from self._put(act.text, Kind.MESSAGE, conversation or self._pane.begin(wish.owner), wish, moved)

    def _put(
        self, text: str, kind: Kind, conversation: Conversation, wish: Wish, moved: bool = False
    ) -> Iterator[Update]:
        """Put what was typed at the end of the conversation: a message to be answered, or a slash command."""
        if kind is not Kind.RAW and is_command(text):
            yield from self._slash.run(text, conversation, wish, moved)
        else:
            yield from self._pane.answer(Turn(new_id(), text, kind=kind), conversation, wish, moved=moved)

    def _retry(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Ask the same again; the turns after it go."""
        conversation = self._store.get(wish.tab, wish.owner)
        if conversation is None:
            yield from self._send(act, wish)
            return
        turn = picked(conversation, act)
        if turn is None:
            yield self._pane.changed(conversation, wish)
            return
        before = self._pane.back_to(conversation, turn)
        if turn.kind is Kind.COMMAND:
            yield from self._slash.run(turn.question, before, wish)
        else:
            yield from self._pane.answer(Turn(new_id(), turn.question, kind=turn.kind), before, wish)

    def _edit(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Ask something else in the place of a question; the turns after it go."""
        check_question(act.text)
        conversation = self._store.get(wish.tab, wish.owner)
        if conversation is None:
            yield from self._send(act, wish)
            return
        turn = picked(conversation, act)
        if turn is None:
            yield self._pane.changed(conversation, wish) | {self._page.chat.message: act.text}
            return
        kind = Kind.RAW if turn.kind is Kind.RAW else Kind.MESSAGE
        yield from self._put(act.text, kind, self._pane.back_to(conversation, turn), wish)

    def _continue(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Go on with the newest answer, which was cut."""
        conversation = self._store.get(wish.tab, wish.owner)
        turn = picked(conversation, act) if conversation else None
        if conversation is None:
            yield {self._page.chat.note: note(say(wish.language, "moved_away"))}
        elif turn is None:
            yield self._pane.changed(conversation, wish)
        elif turn is not conversation.asked[-1]:
            yield {self._page.chat.note: note(say(wish.language, "not_newest"))}
        else:
            commands = conversation.turns[conversation.turns.index(turn) + 1 :]
            conversation = self._pane.back_to(conversation, commands[0]) if commands else conversation
            yield from self._pane.answer(turn, conversation, wish, resumed=True)

    def _contest(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Record that a decision of moderation is wrong; `act.text` names the side, and `text` where it may be kept."""
        conversation = self._store.get(wish.tab, wish.owner)
        turn = next((one for one in conversation.turns if one.id == act.turn_id), None) if conversation else None
        if turn is None:
            yield {self._page.chat.note: note(say(wish.language, "moved_away"))}
            return
        side, _, kept = act.text.partition(" ")
        contested = self._assistant.contest(turn, Side(side), keep_text=kept == "text")
        now = self._store.change(wish.tab, wish.owner, lambda now: now.put(contested))
        if now is not None:
            yield {self._page.chat.chatbot: self._pane.shown(now, wish.language)}

    def _rate(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Record what the person thinks of an answer, or take it back."""
        conversation = self._store.get(wish.tab, wish.owner)
        if conversation is None or self._ratings is None:
            yield {self._page.chat.note: note(say(wish.language, "moved_away"))}
            return
        said, rating = json.loads(act.text), None
        if said is not None:
            rating = given(said["thumb"], said.get("reasons", ()), said.get("ideal", ""), bool(said.get("keep")))
            rating = dataclasses.replace(rating, explained=bool(said.get("explained")))
        rated = self._ratings.rate(conversation, act.turn_id, rating).rating
        yield self._with_ratings(wish, lambda turn: rated if turn.id == act.turn_id else turn.rating)

    def _forget(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Delete every rating of the visitor."""
        if self._ratings is not None:
            self._ratings.forget(wish.owner)
            yield self._with_ratings(wish, lambda turn: None)

    def _with_ratings(self, wish: Wish, rating: Callable[[Turn], Rating | None]) -> Update:
        """The conversation with these ratings, where it is still there, and what is told of them."""

        def changed(now: Conversation) -> Conversation:
            turns = tuple(dataclasses.replace(turn, rating=rating(turn)) for turn in now.turns)
            return dataclasses.replace(now, turns=turns)

        now = self._store.change(wish.tab, wish.owner, changed)
        shown: Update = {self._page.switches.ratings: self._told(wish.owner, wish.language)}
        return shown | ({self._page.chat.chatbot: self._pane.shown(now, wish.language)} if now is not None else {})

    def _told(self, owner: str, language: str) -> str:
        return told(language, self._ratings.keeps, self._ratings.texts_of(owner)) if self._ratings is not None else ""

    def _undo(self, act: Act, wish: Wish) -> Iterator[Update]:
        """Take the last turn back; its question returns to the message box unless something is being typed there."""
        conversation = self._store.get(wish.tab, wish.owner)
        turn = picked(conversation, act) if conversation else None
        if conversation is None:
            yield {self._page.chat.note: note(say(wish.language, "moved_away"))}
        elif turn is None:
            yield self._pane.changed(conversation, wish)
        else:
            before = self._pane.back_to(conversation, turn)
            returned = "" if turn.kind is Kind.COMMAND else turn.question
            yield {
                self._page.chat.chatbot: self._pane.shown(before, wish.language),
                self._page.chat.message: idle(act.text or returned),
                self._page.chat.note: "",
            }

"""The chat pane: what it shows of a conversation, and the line in which its messages wait for their answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from chat.assistant import Ask, Assistant
from chat.base import Sampling
from chat.conversation import Conversation, Kind, Outcome, Turn, begin, continued
from chat.events import Delta, Done, Event, Flagged, Notice, Retracted, Status
from chat.rating import Keep
from chat.screening import flagged, gone_on, noted
from chat.sources import Source
from chat.store import ConversationStore
from moderation.base import Side
from ui.acts import Wish
from ui.beat import Beat
from ui.layout import Layout
from ui.render import Entry, entries, note
from ui.runs import Run, Runs
from ui.texts import STAGES, loading, say

Update = dict[Any, Any]


class Pane:
    """Shows conversations of the store and streams replies into them, one at a time in each."""

    def __init__(
        self,
        page: Layout,
        assistant: Assistant,
        store: ConversationStore,
        sampling: Sampling,
        keeps: Keep | None = None,
    ) -> None:
        """`keeps` says what happens to the text of rated answers; None where answers cannot be rated."""
        self.runs = Runs()
        self._page = page
        self._assistant = assistant
        self._store = store
        self._sampling = sampling
        self._keeps = keeps

    def begin(self, owner: str, sampling: Sampling | None = None) -> Conversation:
        """A new conversation, in the store."""
        conversation = dataclasses.replace(begin(owner), sampling=sampling)
        self._store.put(conversation)
        return conversation

    def sampling(self, conversation: Conversation) -> Sampling:
        """How its answers are sampled."""
        return conversation.sampling or self._sampling

    def shown(self, conversation: Conversation, language: str) -> list[Entry]:
        """The whole conversation; answers under way as they stand."""
        under_way = {run.turn_id for run in self.runs.now(conversation.id)}
        done = [turn for turn in conversation.turns if turn.id not in under_way]
        return self._done(done, language) + self._under_way(conversation.id)

    def anew(self, conversation: Conversation) -> Update:
        """A conversation without turns, in the place of the one that the page shows."""
        page = self._page.chat
        return {page.tab: conversation.id, page.chatbot: [], page.note: "", page.message: idle()}

    def changed(self, conversation: Conversation, wish: Wish) -> Update:
        """The page showed turns that are no longer there, or lacked newer ones: show what there is, and say so."""
        return {
            self._page.chat.chatbot: self.shown(conversation, wish.language),
            self._page.chat.note: note(say(wish.language, "changed")),
        }

    def back_to(self, conversation: Conversation, turn: Turn) -> Conversation:
        """The conversation before a turn; that one and what came after it are gone, answers under way too."""
        self.runs.drop(conversation.id)
        changed = self._store.change(conversation.id, conversation.owner, lambda now: now.before(turn.id))
        return changed or conversation.before(turn.id)

    def answer(
        self, turn: Turn, conversation: Conversation, wish: Wish, *, moved: bool = False, resumed: bool = False
    ) -> Iterator[Update]:
        """Put the turn at the end of the conversation, wait for its turn, and answer it.

        `moved`: the page shows turns of a conversation that the server no longer has. `resumed`: go on with the answer
        that the turn has.
        """
        self._assistant.sources.named(wish.sources)
        resume = turn if resumed else None
        turn = dataclasses.replace(gone_on(turn), outcome=Outcome.PENDING)
        yield from self.in_turn(
            turn, conversation, wish, lambda run, id: self.write(turn, id, run, wish, resume), moved
        )

    def in_turn(
        self,
        turn: Turn,
        conversation: Conversation,
        wish: Wish,
        do: Callable[[Run, str], Iterator[Update]],
        moved: bool = False,
    ) -> Iterator[Update]:
        """Show the turn as waiting, and `do` what is to be done once those before it are done.

        `do` is given the run and the conversation's id.
        """
        run = self.runs.join(conversation.id, turn.id)
        page = self._page.chat
        try:
            waits = say(wish.language, "checking" if run.first.is_set() else "waiting")
            run.shown = entries(turn, wish.language, status=waits)
            changed = self._store.change(conversation.id, wish.owner, lambda now: now.put(turn))
            now = changed or conversation.put(turn)
            yield {
                page.tab: now.id,
                page.chatbot: self.shown(now, wish.language),
                page.message: _busy(),
                page.note: note(say(wish.language, "moved"), moved=True) if moved else "",
            }
            run.first.wait()
            if not run.dropped:
                yield from do(run, now.id)
        finally:
            run.cancel.set()
            self._keep(conversation.id, wish.owner, dataclasses.replace(turn, outcome=Outcome.STOPPED), pending=True)
            self.runs.leave(conversation.id, run)

    def write(self, turn: Turn, conversation_id: str, run: Run, wish: Wish, resume: Turn | None) -> Iterator[Update]:
        """Stream one reply into the pane. The turn is stored before it is shown as done, and when the tab closes."""
        now = self._store.get(conversation_id, wish.owner) or begin(wish.owner)
        before = now.before(turn.id)
        ask = Ask(
            turn.id,
            turn.question,
            before,
            () if turn.kind is Kind.RAW else wish.sources,
            wish.moderation,
            self.sampling(now),
            raw=turn.kind is Kind.RAW,
            resume=resume,
            settings=wish.settings,
            cancel=run.cancel,
        )
        turn = dataclasses.replace(turn, moderated=turn.moderated and wish.moderation)
        events = self._assistant.reply(ask)
        done, language = self._done(before.turns, wish.language), wish.language

        def earlier() -> list[Entry]:
            """The turns before this one as they are by now: one of them may have been rated."""
            nonlocal before, done
            held = self._store.get(conversation_id, wish.owner)
            turns = held.before(ask.turn_id).turns if held is not None else before.turns
            if turns != before.turns:
                before, done = dataclasses.replace(before, turns=turns), self._done(turns, language)
            return done

        status = say(language, "checking")
        try:
            beat = Beat()
            for event in events:
                turn, status = _after(event, turn, status, language)
                if resume is not None and isinstance(event, Retracted):
                    turn = dataclasses.replace(turn, answer=resume.answer)
                elif resume is not None and isinstance(event, Done):
                    turn = continued(resume, turn)
                run.shown = entries(turn, language, status=status)
                if isinstance(event, Done) or run.dropped:
                    break
                if isinstance(event, Status | Retracted) or beat.due():
                    yield {self._page.chat.chatbot: earlier() + self._under_way(conversation_id)}
        finally:
            run.cancel.set()
            events.close()
            if turn.outcome is Outcome.PENDING:
                turn = dataclasses.replace(turn, outcome=Outcome.STOPPED)
            self._keep(conversation_id, wish.owner, turn)
        if not run.dropped:
            yield self.ended(turn, run, now.id, earlier(), language)

    def ended(self, turn: Turn, run: Run, conversation_id: str, done: list[Entry], language: str) -> Update:
        """The end of a run: its turn as it is kept, behind what is `done`."""
        run.shown = entries(turn, language, self._sources(), keeps=self._keeps)
        others = self.runs.now(conversation_id)[1:]
        return {
            self._page.chat.chatbot: done + self._under_way(conversation_id),
            self._page.chat.message: _busy() if others else idle(),
        }

    def _done(self, turns: Sequence[Turn], language: str) -> list[Entry]:
        sources = self._sources()
        return [entry for turn in turns for entry in entries(turn, language, sources, keeps=self._keeps)]

    def _under_way(self, conversation_id: str) -> list[Entry]:
        return [entry for run in self.runs.now(conversation_id) for entry in run.shown]

    def _sources(self) -> dict[str, Source]:
        return {source.name: source for source in (*self._assistant.sources.all, self._assistant.guide)}

    def _keep(self, conversation_id: str, owner: str, turn: Turn, *, pending: bool = False) -> None:
        """Store a turn in the place it holds, where it was not taken out (or, with `pending`, ended) meanwhile."""

        def kept(now: Conversation) -> Conversation:
            held = next((t for t in now.turns if t.id == turn.id), None)
            ended = held is not None and held.outcome is not Outcome.PENDING
            return now if held is None or (pending and ended) else now.put(turn)

        self._store.change(conversation_id, owner, kept)


def _busy() -> gr.Textbox:
    return gr.Textbox(submit_btn=False, stop_btn=True)


def idle(text: str | None = None) -> gr.Textbox:
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
    if isinstance(event, Flagged):
        return noted(flagged(turn, Side.USER, event.decision), event.decision.reason), status
    if isinstance(event, Notice):
        return noted(turn, event.text), status
    if isinstance(event, Status):
        detail = loading(language, event.detail)
        return turn, say(language, STAGES[event.stage], detail=detail)
    return turn, status

"""The functions other programs call: /chat streams a reply, /search finds passages, /contest says that moderation was
wrong, /rate what somebody thinks of an answer. For `gradio_client`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import gradio as gr

from chat.assistant import Ask, Assistant, check_question
from chat.base import Sampling
from chat.conversation import Conversation, Outcome, Turn, begin, new_id
from chat.events import Delta, Done, Retracted
from chat.flags import category_name, how_sure
from chat.rating import given
from chat.ratings import Ratings
from chat.sampling_limits import changed
from chat.sources import NOTHING_CHOSEN, Chosen
from chat.store import ConversationStore
from errors import InputError
from moderation.base import Side
from retrieval.base import Passage
from retrieval.text import language
from ui.beat import Beat
from ui.telling import told
from ui.texts import OUTCOMES


class Api:
    """Typed functions over the same assistant and store as the page."""

    def __init__(
        self,
        assistant: Assistant,
        store: ConversationStore,
        sampling: Sampling,
        moderation_forced: bool,
        ratings: Ratings | None = None,
    ) -> None:
        """`ratings` is None where answers cannot be rated."""
        self._assistant = assistant
        self._store = store
        self._sampling = sampling
        self._moderation_forced = moderation_forced
        self._ratings = ratings

    def chat(
        self,
        message: str,
        conversation_id: str = "",
        retrieval: list[str] | None = None,
        moderation: bool = True,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
        owner: str = "",
        repetition_penalty: float | None = None,
        no_repeat_ngram: int | None = None,
        source_settings: dict[str, dict[str, str]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Answer a message; each value is the reply so far, the last one is whole.

        retrieval names the sources to search ([] for none; all but those over the network when left out). owner is
        the visitor's key: whose documents are searched and whose conversation it is. Settings that are left out are
        the operator's. source_settings holds those of sources, such as {"wikipedia": {"language": "de"}}.
        An answer that broke off is a reply too (outcome broken_off, the reason among its notices). unsupported lists
        the citations, `reply[start:end]`, whose source does not support their sentence. A passage keeps its number
        for the whole conversation. verdict.flags tells of each side what moderation refused or warned about, which
        category, and how sure it was; moderated is false where it was switched off.
        """
        with told():
            conversation = self._find(conversation_id, owner)
            given = {
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
                "max_new_tokens": max_new_tokens,
                "seed": seed,
                "repetition_penalty": repetition_penalty,
                "no_repeat_ngram": no_repeat_ngram,
            }
            ask = Ask(
                turn_id=new_id(),
                question=check_question(message),
                conversation=conversation,
                sources=self._names(retrieval),
                moderation=moderation or self._moderation_forced,
                sampling=changed(self._sampling, {name: value for name, value in given.items() if value is not None}),
                settings=_settings(source_settings),
            )
            events = self._assistant.reply(ask)
        try:
            written, beat = "", Beat()
            for event in events:
                if isinstance(event, Delta):
                    written += event.text
                    if beat.due():
                        yield _reply(Turn(ask.turn_id, message, answer=written, moderated=ask.moderation), conversation)
                elif isinstance(event, Retracted):
                    written = ""
                elif isinstance(event, Done):
                    self._keep(conversation, event.turn)
                    if event.turn.outcome is Outcome.FAILED:
                        raise gr.Error(event.turn.reason, print_exception=False)
                    yield _reply(event.turn, conversation)
        finally:
            events.close()

    def search(
        self,
        query: str,
        sources: list[str] | None = None,
        k: int = 10,
        owner: str = "",
        source_settings: dict[str, dict[str, str]] | None = None,
    ) -> list[dict[str, Any]]:
        """The k best passages for a query, best first. source_settings is as in /chat."""
        with told():
            if not 1 <= k <= 100:
                raise InputError(f"k is {k}; use a whole number from 1 to 100.")
            chosen = _settings(source_settings)
            return [_passage(p) for p in self._assistant.search(query, self._names(sources), k, owner, chosen)]

    def contest(
        self, conversation_id: str, turn_id: str, side: str = "", keep_text: bool = False, owner: str = ""
    ) -> dict[str, Any]:
        """Record that a refusal, a withdrawal or a warning of moderation is wrong.

        side is user or assistant: which decision is meant, the last one when left out. keep_text is the person's
        consent to keep the text; without it only category, level, how sure, side, time and a hash are kept.
        """
        with told():
            conversation = self._find(conversation_id, owner)
            turn = next((one for one in conversation.turns if one.id == turn_id), None)
            if turn is None:
                raise InputError(
                    f"There is no turn “{turn_id[:40]}” in this conversation; give the one of /chat's reply."
                )
            if side not in ("", *Side):
                raise InputError(f"side is “{side[:20]}”; use user or assistant, or leave it out.")
            contested = self._assistant.contest(turn, Side(side) if side else None, keep_text)
            self._store.change(conversation.id, owner, lambda now: now.put(contested))
            return _verdict(contested) | {"turn_id": turn.id}

    def rate(
        self,
        conversation_id: str,
        turn_id: str,
        rating: str,
        reasons: list[str] | None = None,
        ideal_answer: str = "",
        consent: bool = False,
        owner: str = "",
    ) -> dict[str, Any]:
        """Say what somebody thinks of an answer; said again, it replaces what was said before.

        rating is up, down, or empty to take it back. reasons are of unhelpful, untrue, harmful, unsupported, other.
        ideal_answer is what should have been answered, with citations as in the reply. consent is the person's to
        keep the text for training: the question, the messages before it, the passages given, the answer and the ideal
        one; without it only the verdict is counted. text_kept tells whether it is kept: where moderation had something
        against the text it is not, and where the operator always keeps it, it is.
        """
        with told():
            if self._ratings is None:
                raise InputError("Answers cannot be rated here; the operator has switched that off.")
            conversation = self._find(conversation_id, owner)
            said = given(rating, reasons or (), ideal_answer, consent) if rating else None
            turn = self._ratings.rate(conversation, turn_id, said)
            self._store.change(conversation.id, owner, lambda now: now.put(turn))
            rated = turn.rating
            return {
                "conversation_id": conversation.id,
                "turn_id": turn.id,
                "rating": rated.thumb.value if rated else "",
                "reasons": list(map(str, rated.reasons)) if rated else [],
                "text_kept": rated.keep if rated else False,
            }

    def _keep(self, conversation: Conversation, turn: Turn) -> None:
        """Put the turn into the conversation as it is now: others may have been answered or rated meanwhile."""
        if self._store.change(conversation.id, conversation.owner, lambda now: now.put(turn)) is None:
            self._store.put(conversation.put(turn))

    def _find(self, conversation_id: str, owner: str) -> Conversation:
        if not conversation_id:
            return begin(owner)
        found = self._store.get(conversation_id, owner)
        if found is None:
            raise InputError(
                f"There is no conversation “{conversation_id[:40]}” of this owner; "
                "leave conversation_id out to begin one."
            )
        return found

    def _names(self, names: list[str] | None) -> tuple[str, ...]:
        if names is None:
            return tuple(source.name for source in self._assistant.sources.all if not source.remote)
        return tuple(source.name for source in self._assistant.sources.named(names))


def _settings(given: Any) -> Chosen:
    """What a program chose of the sources. Raises `InputError` where it is no mapping of mappings to text."""
    if given is None:
        return NOTHING_CHOSEN
    sound = isinstance(given, dict) and all(
        isinstance(values, dict) and all(isinstance(value, str) for value in values.values())
        for values in given.values()
    )
    if not sound:
        raise InputError(
            'source_settings is not as expected; give by source its settings as text, such as {"wikipedia": '
            '{"language": "de"}}.'
        )
    return cast(Chosen, given)


def _reply(turn: Turn, conversation: Conversation) -> dict[str, Any]:
    refused = turn.outcome in OUTCOMES
    return {
        "reply": turn.reason if refused else turn.answer,
        "sources": [{"number": n, **_passage(turn.passage(n))} for n in sorted(turn.cited)],
        "unsupported": [dataclasses.asdict(doubt) for doubt in turn.doubts],
        "verdict": _verdict(turn),
        "moderated": turn.moderated,
        "notices": list(turn.notices),
        "turn_id": turn.id,
        "conversation_id": conversation.id,
    }


def _verdict(turn: Turn) -> dict[str, Any]:
    """How the turn ended, and what moderation said of each side; the words are in the question's language."""
    spoken = language(turn.question)
    flags = [
        {
            "side": flag.side.value,
            "action": flag.decision.action.value,
            "category": flag.decision.category,
            "category_name": category_name(spoken, flag.decision.category),
            "level": flag.decision.level.label,
            "score": round(flag.decision.score, 4),
            "how_sure": how_sure(spoken, flag.decision),
            "ground": flag.decision.ground.value,
            "reason": flag.decision.reason,
            "contested": flag.contested,
            "text_kept": flag.text_kept,
        }
        for flag in turn.flags
    ]
    return {"outcome": turn.outcome.value, "category": turn.category, "reason": turn.reason, "flags": flags}


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "id": passage.id,
        "text": passage.text,
        "title": passage.title,
        "section": passage.section,
        "url": passage.url,
        "source": passage.source,
        "score": round(passage.score, 4),
    }

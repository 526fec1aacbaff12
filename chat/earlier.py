"""What the turns before a message mean for it: as history for an engine, and as what a follow-up may lean on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from chat.base import Message
from chat.conversation import Conversation, Outcome
from chat.smalltalk import talk
from chat.tasks import Task, task
from retrieval.base import Passage
from retrieval.query import Query, Turn
from retrieval.text import analyse


def history(conversation: Conversation, query: Query, passages: Sequence[Passage]) -> tuple[Message, ...]:
    """Earlier turns. Once the topic may have changed, each tells how many of the question's words it shares.

    Their citations are by the places of `passages`, which the engine is given now. All are given: “Make it more formal”
    names nothing either, and only where room is short must one be left out.
    """
    said = conversation.messages(passages)
    if not query.new_topic:
        return said
    asked = set(analyse(query.text, query.language))

    def relevance(turn: str) -> float:
        return len(asked & set(analyse(turn))) / max(1, len(asked))

    return tuple(
        dataclasses.replace(message, relevance=relevance(f"{question.content}\n{answer.content}"))
        for question, answer in zip(said[::2], said[1::2], strict=True)
        for message in (question, answer)
    )


def talked(conversation: Conversation) -> list[Turn]:
    """Turns that a follow-up may lean on, in the words of `retrieval.query`: also those that nothing answered."""
    return [
        Turn(turn.query or turn.question, turn.answer, turn.passage(turn.cited[0]).title if turn.cited else "")
        if turn.remembered
        else Turn(turn.query or turn.question, "", "")
        for turn in conversation.turns
        if (turn.remembered or turn.outcome is Outcome.UNANSWERED) and _is_about_something(turn.question)
    ]


def _is_about_something(question: str) -> bool:
    """Whether a later “it” may mean what the message speaks of: “What time is it?” names nothing."""
    return talk(question) is None and task(question) is not Task.CLOCK


def last_answer(conversation: Conversation) -> str:
    """What was answered last; empty where nothing was."""
    return next((turn.answer for turn in reversed(conversation.turns) if turn.remembered), "")

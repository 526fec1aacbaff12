"""Turns and what is done to them: pure data. The display, the API and the store all hold these."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chat.base import Message, Role, Sampling
from retrieval.base import Passage


class Outcome(StrEnum):
    """How a turn ended."""

    PENDING = "pending"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """No source answers; the reply says what was searched."""
    STOPPED = "stopped"
    """The person stopped it; what was written stays."""
    LENGTH = "length"
    """The answer reached its longest allowed length; it can be continued."""
    REPETITION = "repetition"
    """The answer had begun to repeat itself and was ended there."""
    TIMED_OUT = "timed_out"
    """The answer took longer than it may; what was written stays."""
    BROKEN_OFF = "broken_off"
    """The model failed in the middle; what was written stays, and a notice says why there is no more."""
    QUESTION_REFUSED = "question_refused"
    ANSWER_REFUSED = "answer_refused"
    FAILED = "failed"
    """Nothing was written."""


class Kind(StrEnum):
    """What a turn is."""

    MESSAGE = "message"
    RAW = "raw"
    """A text that the model went on from as it stood; shown, but no part of the conversation."""
    COMMAND = "command"
    """A slash command and what it said; shown, but no part of the conversation."""


_CUT = frozenset({Outcome.LENGTH, Outcome.STOPPED, Outcome.TIMED_OUT, Outcome.BROKEN_OFF})
_REMEMBERED = _CUT | {Outcome.ANSWERED, Outcome.REPETITION}


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its reply. `[n]` in `answer` means `passages[n - 1]`."""

    id: str
    question: str
    outcome: Outcome = Outcome.PENDING
    answer: str = ""
    passages: tuple[Passage, ...] = ()
    cited: tuple[int, ...] = ()
    """Numbers of the passages that the answer cites, in order of first citation."""
    given: tuple[int, ...] = ()
    """Of each passage, its place (from 0) among those that the model was given; empty where it is the same."""
    notices: tuple[str, ...] = ()
    reason: str = ""
    """Why it was refused or failed, in plain words."""
    category: str = ""
    """The moderation category of a refusal."""
    query: str = ""
    """What was searched for; differs from the question when that leaned on earlier turns."""
    new_topic: bool = False
    model: str = ""
    moderated: bool = True
    kind: Kind = Kind.MESSAGE
    asked: float = 0.0
    """When, in Unix time; 0 where it is not known."""

    @property
    def remembered(self) -> bool:
        """Whether later prompts may hold it: refused, failed and empty turns stay out of them."""
        return self.kind is Kind.MESSAGE and self.outcome in _REMEMBERED and bool(self.answer)

    @property
    def cut(self) -> bool:
        """Whether its answer ended before its end, so that it can be gone on with."""
        return self.kind is Kind.MESSAGE and self.outcome in _CUT and bool(self.answer)

    @property
    def passages_given(self) -> tuple[Passage, ...]:
        """The passages in the order in which the model was given them."""
        order = self.given or range(len(self.passages))
        return tuple(self.passages[i] for i in sorted(range(len(self.passages)), key=order.__getitem__))


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns, oldest first. Every change gives a new object."""

    id: str
    owner: str = ""
    turns: tuple[Turn, ...] = ()
    started: datetime | None = None
    sampling: Sampling | None = None
    """How its answers are sampled, where the person has changed that."""

    @property
    def asked(self) -> tuple[Turn, ...]:
        """The turns that are messages: no commands, no raw texts."""
        return tuple(turn for turn in self.turns if turn.kind is Kind.MESSAGE)

    @property
    def last_answer(self) -> str:
        """The newest answer that later prompts may hold; empty where there is none."""
        return next((turn.answer for turn in reversed(self.turns) if turn.remembered), "")

    def put(self, turn: Turn) -> Conversation:
        """With `turn` in the place of the one with its id, or at the end."""
        if all(t.id != turn.id for t in self.turns):
            return dataclasses.replace(self, turns=(*self.turns, turn))
        return dataclasses.replace(self, turns=tuple(turn if t.id == turn.id else t for t in self.turns))

    def before(self, turn_id: str) -> Conversation:
        """Only the turns older than this one: where an edit or a retry goes on from. Unknown ids change nothing."""
        for i, turn in enumerate(self.turns):
            if turn.id == turn_id:
                return dataclasses.replace(self, turns=self.turns[:i])
        return self

    def messages(self) -> tuple[Message, ...]:
        """The remembered turns as messages for an engine."""
        return tuple(
            message
            for turn in self.turns
            if turn.remembered
            for message in (Message(Role.USER, turn.question), Message(Role.ASSISTANT, turn.answer))
        )


def continued(cut: Turn, turn: Turn) -> Turn:
    """`turn`, in which the answer of `cut` was gone on with: where that added nothing, what was there is left."""
    if turn.outcome is not Outcome.FAILED:
        return turn
    return dataclasses.replace(cut, notices=(*cut.notices, turn.reason))


def begin(owner: str) -> Conversation:
    """A new, empty conversation that begins now."""
    return Conversation(new_id(), owner, started=datetime.now().astimezone())


def new_id() -> str:
    """An unguessable id for a conversation or a turn."""
    return secrets.token_urlsafe(12)

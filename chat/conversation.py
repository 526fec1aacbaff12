"""Turns and what is done to them: pure data. The display, the API and the store all hold these."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chat.base import Message, Role, Sampling
from chat.citations import renumbered
from chat.flags import Flag
from chat.rating import Rating
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
class Doubt:
    """A citation whose passage does not support what it is cited for: `answer[start:end]` is the `[number]`."""

    start: int
    end: int
    number: int
    sentence: str
    """The sentence, without its citations."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its reply. `[n]` in `answer` means `passage(n)`."""

    id: str
    question: str
    outcome: Outcome = Outcome.PENDING
    answer: str = ""
    passages: tuple[Passage, ...] = ()
    """What the engine was given, in this order."""
    numbers: tuple[int, ...] = ()
    """Of each passage, its number in the conversation, 0 where it has none; empty: the n-th is number n."""
    cited: tuple[int, ...] = ()
    """Numbers of the passages that the answer cites, in order of first citation."""
    doubts: tuple[Doubt, ...] = ()
    """Citations that a check found unsupported, in order."""
    notices: tuple[str, ...] = ()
    reason: str = ""
    """Why it was refused or failed, in plain words."""
    category: str = ""
    """The moderation category of a refusal."""
    flags: tuple[Flag, ...] = ()
    """What was refused or warned about of either side, in order."""
    query: str = ""
    """What was searched for; differs from the question when that leaned on earlier turns."""
    new_topic: bool = False
    model: str = ""
    moderated: bool = True
    kind: Kind = Kind.MESSAGE
    asked: float = 0.0
    """When, in Unix time; 0 where it is not known."""
    read: tuple[Message, ...] = ()
    """What the model read, where that is not just the turns before, the passages and the question."""
    rating: Rating | None = None
    """What the person thinks of the answer."""

    @property
    def remembered(self) -> bool:
        """Whether later prompts may hold it: refused, failed and empty turns stay out of them."""
        return self.kind is Kind.MESSAGE and self.outcome in _REMEMBERED and bool(self.answer)

    @property
    def cut(self) -> bool:
        """Whether its answer ended before its end, so that it can be gone on with."""
        return self.kind is Kind.MESSAGE and self.outcome in _CUT and bool(self.answer)

    def passage(self, number: int) -> Passage:
        """The passage of this number; it must be one of `cited`."""
        return self.passages[self.numbers.index(number) if self.numbers else number - 1]

    @property
    def not_cited(self) -> tuple[Passage, ...]:
        """The passages that were given and not cited."""
        numbers = self.numbers or range(1, len(self.passages) + 1)
        return tuple(p for p, number in zip(self.passages, numbers, strict=True) if number not in self.cited)

    def placed(self, passages: Sequence[Passage]) -> str:
        """The answer with its citations by the places (from 1) of these passages; those of others are left out."""
        places = {passage.id: place for place, passage in reversed(list(enumerate(passages, start=1)))}
        return renumbered(self.answer, {number: places.get(self.passage(number).id, 0) for number in self.cited})


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns, oldest first. Every change gives a new object."""

    id: str
    owner: str = ""
    turns: tuple[Turn, ...] = ()
    started: datetime | None = None
    sampling: Sampling | None = None
    """How its answers are sampled, where the person has changed that."""
    numbered: tuple[str, ...] = ()
    """Ids of the passages that were cited: the n-th is number n, for good, also once its turn was taken back."""

    @property
    def asked(self) -> tuple[Turn, ...]:
        """The turns that are messages: no commands, no raw texts."""
        return tuple(turn for turn in self.turns if turn.kind is Kind.MESSAGE)

    @property
    def last_answer(self) -> str:
        """The newest answer that later prompts may hold; empty where there is none."""
        return next((turn.answer for turn in reversed(self.turns) if turn.remembered), "")

    def put(self, turn: Turn) -> Conversation:
        """With `turn` in the place of the one with its id, or at the end; the numbers that it gave are kept."""
        new = {number: turn.passage(number).id for number in turn.cited if number > len(self.numbered)}
        last = max(new, default=len(self.numbered))
        numbered = (*self.numbered, *(new.get(number, "") for number in range(len(self.numbered) + 1, last + 1)))
        there = any(t.id == turn.id for t in self.turns)
        turns = tuple(turn if t.id == turn.id else t for t in self.turns) if there else (*self.turns, turn)
        return dataclasses.replace(self, turns=turns, numbered=numbered)

    def numbers(self, passages: Sequence[Passage]) -> tuple[int, ...]:
        """Of each passage, the number that it is cited by in this conversation; 0 where it was not cited yet."""
        free = {id: number for number, id in enumerate(self.numbered, start=1)}
        return tuple(free.pop(passage.id, 0) for passage in passages)

    def before(self, turn_id: str) -> Conversation:
        """Only the turns older than this one: where an edit or a retry goes on from. Unknown ids change nothing."""
        for i, turn in enumerate(self.turns):
            if turn.id == turn_id:
                return dataclasses.replace(self, turns=self.turns[:i])
        return self

    def messages(self, passages: Sequence[Passage] = ()) -> tuple[Message, ...]:
        """The remembered turns as messages for an engine that is given `passages`: it cites these by their places."""
        return tuple(
            message
            for turn in self.turns
            if turn.remembered
            for message in (Message(Role.USER, turn.question), Message(Role.ASSISTANT, turn.placed(passages)))
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

"""What happens while a message is answered, in the words that the page, the API and the terminal share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chat.conversation import Turn
from moderation.policy import Decision
from retrieval.base import Passage


class Stage(StrEnum):
    LOADING = "loading"
    CHECKING = "checking"
    SEARCHING = "searching"
    WAITING = "waiting"
    WRITING = "writing"


@dataclass(frozen=True, slots=True)
class Status:
    """What is being done; `detail` says what is loading, or the place in the queue."""

    stage: Stage
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the person should know beside the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Flagged:
    """The question was refused, or is answered with a warning."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Found:
    """What the answer may stand on, best first."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Retracted:
    """The answer was refused: what stood there is to be taken away."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Done:
    """The end: the turn as it is kept."""

    turn: Turn


Event = Status | Notice | Flagged | Found | Delta | Retracted | Done

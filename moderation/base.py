"""What every moderator speaks: exchanges go in, verdicts come out; the policy decides what to do about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol


class Level(IntEnum):
    """The five labels of OpenChatKit's moderation model, mildest first."""

    CASUAL = 0
    POSSIBLY_NEEDS_CAUTION = 1
    PROBABLY_NEEDS_CAUTION = 2
    NEEDS_CAUTION = 3
    NEEDS_INTERVENTION = 4

    @property
    def label(self) -> str:
        """The label as OpenChatKit spells it, e.g. `possibly needs caution`."""
        return self.name.lower().replace("_", " ")


class Category(StrEnum):
    """What kind of harm a text does. The classifier's card says how well each is known."""

    HATE = "hate"
    HARASSMENT = "harassment"
    SEXUAL = "sexual"
    SEXUAL_MINORS = "sexual/minors"
    VIOLENCE = "violence"
    SELF_HARM = "self-harm"
    ILLICIT = "illicit"
    WEAPONS = "weapons"
    PERSONAL_INFORMATION = "personal information"
    PROMPT_ATTACK = "prompt attack"


class Side(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class Action(StrEnum):
    ALLOW = "allow"
    WARN = "warn"
    REFUSE = "refuse"

    @property
    def severity(self) -> int:
        """0 allow, 1 warn, 2 refuse."""
        return list(Action).index(self)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A text to judge, who wrote it, and what was said just before."""

    text: str
    side: Side = Side.USER
    context: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a moderator thinks: harm probability in 0..1 overall and per category."""

    score: float
    level: Level
    categories: tuple[tuple[str, float], ...] = ()
    """(a `Category` value, probability in 0..1), most probable first."""


class Moderator(Protocol):
    """Judges exchanges, one verdict each, in order. Raises `errors.ModerationError` when it cannot."""

    @property
    def name(self) -> str: ...

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]: ...

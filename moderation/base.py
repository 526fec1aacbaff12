"""What every moderator speaks: exchanges go in, verdicts come out; the policy decides what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
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
    parts: tuple[Verdict, ...] = ()
    """Where several moderators judged: what each of them thinks. The policy looks at each, so that any may refuse."""


class Moderator(Protocol):
    """Judges exchanges, one verdict each, in order. Raises `errors.ModerationError` when it cannot."""

    @property
    def name(self) -> str: ...

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]: ...


Report = Callable[[str], None]
"""Is told what is being loaded; what it raises gives the load up."""


@dataclass(frozen=True, slots=True)
class LabelPrompt:
    """What a language model reads before it names a label: a text, or messages that its chat template writes."""

    text: str = ""
    """Read as it stands where there are no messages."""
    messages: tuple[tuple[str, str], ...] = ()
    """(role, content), oldest first."""
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """What the template reads besides."""
    parts: bool = False
    """Whether the template reads a content as a list of typed parts instead of a text."""
    lead: str = ""
    """What the model writes before a label; nothing, where the prompt ends with it already."""


class Scorer(Protocol):
    """A language model that says how likely it would go on with a label, on this machine or on a server.

    It takes as long as it needs; `Screen` stops waiting for it. Raises `errors.AppError` when it cannot be loaded, and
    `errors.ModerationError` when it cannot score.
    """

    @property
    def name(self) -> str:
        """The model's, as the catalogue of moderators knows it; of a server's once it is loaded."""
        ...

    def load(self, report: Report) -> None: ...

    def score(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[list[float]]:
        """Natural logarithms of the labels' probabilities as continuations: one row a prompt, one column a label.

        Minus infinity stands for a label that is too unlikely to be told.
        """
        ...

"""What slash commands work on and lead to, as data: a person's session, what is on offer, and what is to be done."""

from __future__ import annotations

from dataclasses import dataclass

from chat import command_texts
from chat.assistant import Ask, check_question
from chat.base import Sampling
from chat.conversation import Conversation, Turn, new_id
from chat.rating import Rating
from chat.sources import Source


@dataclass(frozen=True, slots=True)
class Session:
    """One person's conversation and switches."""

    conversation: Conversation
    sources: tuple[str, ...]
    """Names of the sources that are searched."""
    moderation: bool = True
    sampling: Sampling = Sampling()
    language: str = "en"

    def say(self, key: str, **values: object) -> str:
        return command_texts.say(self.language, key, **values)

    def ask(self, question: str, *, raw: bool = False) -> Ask:
        """The question, to be answered the way the switches stand."""
        return Ask(
            turn_id=new_id(),
            question=check_question(question),
            conversation=self.conversation,
            sources=() if raw else self.sources,
            moderation=self.moderation,
            sampling=self.sampling,
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to choose from, and what the operator decides."""

    sources: tuple[Source, ...]
    model: str
    """Name of the model that answers now."""
    reader: str
    """Name of the built-in reader."""
    models: tuple[str, ...] = ()
    """Models that are suggested; others load too."""
    models_allowed: bool = True
    moderation_forced: bool = False
    ratings: bool = False
    """Whether answers can be rated."""
    terminal: bool = True
    """Whether a terminal shows it: there columns line up, and there is something to leave."""


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Load this model and use it; the reader's name means the reader."""

    name: str


@dataclass(frozen=True, slots=True)
class ShowPrompt:
    """Show the prompt of this turn (`Assistant.prompt_of`)."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Contest:
    """Record that what moderation said of this turn is wrong (`Assistant.contest`)."""

    turn: Turn
    keep_text: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """Record what the person thinks of this turn (`Ratings.rate`); None takes it back."""

    turn: Turn
    rating: Rating | None


@dataclass(frozen=True, slots=True)
class Quit:
    """The person leaves."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a line led to."""

    session: Session
    text: str = ""
    effect: Ask | LoadModel | ShowPrompt | Contest | Rate | Quit | None = None
    draft: str = ""
    """What returns to the input line."""

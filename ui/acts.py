"""What a person does to a conversation in the page, and to which of its turns."""

from __future__ import annotations

from dataclasses import dataclass, field

from chat.conversation import Conversation, Turn
from chat.sources import NOTHING_CHOSEN, Chosen

Browser = dict[str, str]
"""What the visitor's browser keeps: `owner`, the key to what is theirs."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did in the page: `send`, `retry`, `edit`, `undo`, `continue`, `contest`, `rate` or `forget`."""

    kind: str
    turn_id: str
    """The turn it was done to; empty for a new message."""
    text: str
    """What was typed; for `retry` the question as the page shows it; for `contest` the side, and whether its text may
    be kept: `user`, `assistant text`; for `rate` the rating as JSON, `null` to take it back."""
    last: str = ""
    """The newest turn that the page shows."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants an answer in which tab, and how."""

    owner: str
    tab: str
    sources: tuple[str, ...]
    moderation: bool
    language: str
    settings: Chosen = field(default_factory=lambda: NOTHING_CHOSEN)
    """What the visitor chose of the sources."""


def picked(conversation: Conversation, act: Act) -> Turn | None:
    """The turn that was clicked; None when the page did not show the conversation as it is."""
    if not conversation.turns or conversation.turns[-1].id != act.last:
        return None
    return next((turn for turn in conversation.turns if turn.id == act.turn_id), None)

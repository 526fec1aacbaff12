"""What a chat model is taught with: conversations, and pairs of answers of which one is preferred."""

from __future__ import annotations

from dataclasses import dataclass

from chat.base import Role


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    text: str
    taught: bool = True
    """Of an assistant's turn: whether its tokens count in the loss."""


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation to learn from; it holds at least one assistant's turn that is taught."""

    turns: tuple[Turn, ...]
    source: str
    """Where it was read: `file:line`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to the same conversation, whose last turn is the user's."""

    turns: tuple[Turn, ...]
    chosen: str
    rejected: str
    source: str

"""What a suite holds: things that are asked, with the answers that are right, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.base import Message

LONGEST = 256
"""Tokens that an answer may have where its item does not say."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text that is given to the model."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """How an answer is scored; `told` is what the kind needs to know."""

    kind: str
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked."""

    id: str
    task: str
    messages: tuple[Message, ...]
    """Up to the user's turn that is to be answered."""
    reference: str
    """An answer that is right."""
    language: str = "en"
    sources: tuple[Source, ...] = ()
    gold: tuple[int, ...] = ()
    """Numbers of the sources that hold the answer."""
    answerable: bool = True
    answers: tuple[str, ...] = ()
    """What exact match and token F1 compare with; empty where they would mean nothing."""
    checks: tuple[Check, ...] = ()
    tokens: int = LONGEST

    @property
    def question(self) -> str:
        return self.messages[-1].content

"""From the tokens of a prompt to the tokens of an answer: what a network's decoders have in common."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chat.base import Sampling
from errors import ModelError


@dataclass(frozen=True, slots=True)
class Job:
    """One answer to write."""

    ids: Sequence[int]
    """The prompt's tokens, at least one."""
    sampling: Sampling
    room: int
    """Tokens it may have."""
    ends: frozenset[int]
    """Tokens that end it; the one that does is not passed on."""
    cancel: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Waiting:
    """No token yet: its place in the queue, 1 for the next; 0 while the prompt is being read."""

    place: int


class TimeUp(ModelError):
    """The time that an answer may take on its device was up: it was cut, and may be gone on with."""


class Decoder(Protocol):
    """Writes answers. Safe to call from several threads."""

    def write(self, job: Job) -> Generator[int | Waiting]:
        """The answer's tokens as they are picked, `Waiting` now and then meanwhile. Ends early once cancelled.

        Closing the iterator cancels too. Raises `ModelError`, which is `TimeUp` where the answer may be gone on with.
        """
        ...

"""From the tokens of a prompt to the tokens of an answer: what a network's decoders have in common."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chat.base import Sampling
from errors import InputError, ModelError

MOST_WAITING = 64
"""Answers that wait at most; whoever comes then is told so."""


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

        Whoever came first is first. Closing the iterator cancels too. Raises `InputError` when too many wait,
        `ModelError`, which is `TimeUp` where the answer may be gone on with.
        """
        ...


def queue_full(most: int) -> InputError:
    """What is told when so many wait already."""
    return InputError(
        f"{most} others are already waiting for this model; try again in a moment.",
        zh=f"已有 {most} 人在等待此模型；请稍后再试。",
    )


def no_memory(job: Job) -> ModelError:
    """What whoever asked is told when memory ran out over it."""
    return ModelError(
        f"There is no memory left for a conversation of {len(job.ids):,} tokens; start a new one, or choose a smaller "
        "model.",
        zh=f"内存不足，容纳不下 {len(job.ids):,} 个词元的对话；请开始新对话，或选用更小的模型。",
    )


def not_a_number() -> ModelError:
    """What is told when the logits of an answer are no numbers."""
    return ModelError(
        "The model computed numbers that are none; load it as float32.",
        zh="模型算出了无效的数值；请以 float32 加载它。",
    )


def failed_writing(error: Exception) -> ModelError:
    """What is told when the network raised what nobody foresaw."""
    kind = type(error).__name__
    return ModelError(
        f"The model failed while writing ({kind}); try again.", zh=f"模型在书写时出错（{kind}）；请再试一次。"
    )

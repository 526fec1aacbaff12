"""Replies being written and messages waiting for their turn, in order, per conversation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from errors import InputError

_MOST_WAITING = 5


@dataclass(eq=False, slots=True)
class Run:
    """One message on its way to its answer."""

    turn_id: str
    shown: list[Any] = field(default_factory=list)
    """What the pane shows of it now."""
    cancel: threading.Event = field(default_factory=threading.Event)
    """Set: what is written so far is the answer."""
    dropped: bool = False
    """Its turn was taken out of the conversation: it must not be shown any more."""
    first: threading.Event = field(default_factory=threading.Event)
    """Set when it is its turn to be answered."""


class Runs:
    """The runs of every conversation; one at a time is answered in each. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, list[Run]] = {}

    def join(self, conversation_id: str, turn_id: str) -> Run:
        """A new run at the end of the line. Raises `InputError` when too many wait already."""
        run = Run(turn_id)
        with self._lock:
            line = self._runs.setdefault(conversation_id, [])
            if sum(not other.dropped for other in line) > _MOST_WAITING:
                raise InputError(
                    f"{_MOST_WAITING} messages are waiting for their answers; send this one when they are answered.",
                    zh=f"已有 {_MOST_WAITING} 条消息在等待回答，请等它们答完后再发送。",
                )
            line.append(run)
            line[0].first.set()
        return run

    def leave(self, conversation_id: str, run: Run) -> None:
        """The run has ended: the next one's turn has come."""
        with self._lock:
            line = self._runs.get(conversation_id, [])
            if run in line:
                line.remove(run)
            if line:
                line[0].first.set()
            else:
                self._runs.pop(conversation_id, None)

    def now(self, conversation_id: str) -> list[Run]:
        """The runs that are shown, in order."""
        with self._lock:
            return [run for run in self._runs.get(conversation_id, []) if not run.dropped]

    def stop(self, conversation_id: str) -> None:
        """End the answer that is being written; what is there stays, and the next message is answered."""
        with self._lock:
            line = self._runs.get(conversation_id, [])
            for run in line[:1]:
                run.cancel.set()

    def drop(self, conversation_id: str) -> None:
        """End every run: what they answer has left the conversation, or the conversation the page."""
        with self._lock:
            for run in self._runs.get(conversation_id, []):
                run.dropped = True
                run.cancel.set()

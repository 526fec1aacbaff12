"""Replies being written, so that a stop button, a new message or a reset ends exactly the one it means."""

from __future__ import annotations

import threading


class Runs:
    """At most one reply per conversation. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancels: dict[str, threading.Event] = {}

    def start(self, conversation_id: str) -> threading.Event:
        """The cancel event of a new reply; an older reply in the same conversation is cancelled."""
        cancel = threading.Event()
        with self._lock:
            older = self._cancels.get(conversation_id)
            self._cancels[conversation_id] = cancel
        if older is not None:
            older.set()
        return cancel

    def stop(self, conversation_id: str) -> None:
        """Cancel the reply that is being written in this conversation, if there is one."""
        with self._lock:
            cancel = self._cancels.get(conversation_id)
        if cancel is not None:
            cancel.set()

    def finish(self, conversation_id: str, cancel: threading.Event) -> None:
        """Forget a reply that has ended."""
        with self._lock:
            if self._cancels.get(conversation_id) is cancel:
                del self._cancels[conversation_id]

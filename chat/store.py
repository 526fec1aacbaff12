"""Where conversations live on the server: in memory, the least recently used ones leave first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from chat.conversation import Conversation, begin


class ConversationStore:
    """Conversations by id, each readable only by its owner. Safe to call from several threads."""

    def __init__(self, capacity: int = 10_000, gone: Callable[[Conversation], None] | None = None) -> None:
        """`gone` is told of each conversation that leaves."""
        self._capacity = capacity
        self._gone = gone
        self._lock = threading.Lock()
        self._conversations: OrderedDict[str, Conversation] = OrderedDict()

    def get(self, conversation_id: str, owner: str) -> Conversation | None:
        """The conversation, or None when there is none of this id that belongs to this owner."""
        with self._lock:
            found = self._conversations.get(conversation_id)
            if found is None or found.owner != owner:
                return None
            self._conversations.move_to_end(conversation_id)
            return found

    def open(self, conversation_id: str, owner: str) -> Conversation:
        """The conversation of this id and owner; a new one, with a new id, when there is none."""
        return self.get(conversation_id, owner) or begin(owner)

    def put(self, conversation: Conversation) -> None:
        with self._lock:
            left = self._put(conversation)
        self._tell(left)

    def change(
        self, conversation_id: str, owner: str, how: Callable[[Conversation], Conversation]
    ) -> Conversation | None:
        """Put `how(conversation)` in its place, with nothing in between; None when there is no such conversation."""
        with self._lock:
            found = self._conversations.get(conversation_id)
            if found is None or found.owner != owner:
                return None
            changed = how(found)
            left = self._put(changed)
        self._tell(left)
        return changed

    def _put(self, conversation: Conversation) -> list[Conversation]:
        """The conversations that leave for it."""
        self._conversations[conversation.id] = conversation
        self._conversations.move_to_end(conversation.id)
        most = max(0, len(self._conversations) - self._capacity)
        return [self._conversations.popitem(last=False)[1] for _ in range(most)]

    def _tell(self, left: Sequence[Conversation]) -> None:
        if self._gone is not None:
            for conversation in left:
                self._gone(conversation)

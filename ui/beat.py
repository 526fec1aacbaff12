"""How often what is being written is sent: a fast model would keep server and browser busy with updates."""

from __future__ import annotations

import time

_EVERY_S = 0.05


class Beat:
    """Counts from the last update that was sent. The first is due at once."""

    def __init__(self) -> None:
        self._sent = float("-inf")

    def due(self) -> bool:
        """Whether the next update is to be sent; if so, it counts as sent now."""
        now = time.monotonic()
        if now - self._sent < _EVERY_S:
            return False
        self._sent = now
        return True

"""A moderator that tests steer: its verdict, its failure, its silence."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from moderation.base import Exchange, Level, Verdict


@dataclass
class Steered:
    """A moderator that answers, fails or hangs as it is told, and remembers what it was asked."""

    verdict: Verdict = Verdict(0.0, Level.CASUAL)
    failure: Exception | None = None
    hang: threading.Event | None = None
    name: str = "steered"
    asked: list[Exchange] = field(default_factory=list)

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        self.asked += exchanges
        if self.hang:
            self.hang.wait(30)
        if self.failure:
            raise self.failure
        return [self.verdict for _ in exchanges]

"""A moderator that fails at random moments under load lets nothing unchecked through: make soak"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from errors import ModerationError
from moderation.base import Action, Exchange, Level, Side, Verdict
from moderation.policy import Decision
from moderation.policy_file import load_policy
from moderation.screen import Screen
from moderation.stream import Retraction, screened

pytestmark = pytest.mark.soak

_FAILURES, _READERS, _LIMIT_S = 100, 6, 0.2
_HARMLESS = Verdict(0.01, Level.CASUAL)


class Failing:
    """A moderator that can be made to raise, to die (give nothing), or to hang; it keeps what it has judged."""

    name = "failing"

    def __init__(self) -> None:
        self.mode = "well"
        self.judged: set[str] = set()
        self.recovered = threading.Event()
        self.recovered.set()

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        mode = self.mode
        if mode == "raise":
            raise random.choice((ModerationError("The moderator is gone."), ConnectionError("reset"), MemoryError()))
        if mode == "die":
            return []
        if mode == "hang":
            self.recovered.wait()
        self.judged |= {exchange.text for exchange in exchanges}
        return [_HARMLESS] * len(exchanges)


def _answer(number: int) -> Iterator[str]:
    """Sentences that name themselves, so that each one that is shown can be looked up."""
    for sentence in range(8):
        for word in f"Answer {number} says in sentence {sentence} that all is well.".split():
            time.sleep(0.0005)
            yield f"{word} "


def test_no_unchecked_sentence_is_shown_whatever_happens_to_the_moderator() -> None:
    moderator = Failing()
    screen = Screen(moderator, load_policy(), limit_s=_LIMIT_S)
    stop, lock = threading.Event(), threading.Lock()
    shown: list[str] = []
    refused = 0

    def judge(text: str) -> Decision:
        return screen.check(Exchange(text, Side.ASSISTANT))

    def read(first: int) -> None:
        nonlocal refused
        number = first
        while not stop.is_set():
            number += _READERS
            for piece in screened(_answer(number), judge):
                with lock:
                    if isinstance(piece, Retraction):
                        assert piece.decision.action is Action.REFUSE
                        refused += 1
                    else:
                        shown.append(piece)

    readers = [threading.Thread(target=read, args=(first,)) for first in range(_READERS)]
    for reader in readers:
        reader.start()
    chance = random.Random(0)
    for _ in range(_FAILURES):
        time.sleep(chance.uniform(0.02, 0.15))
        moderator.recovered.clear()
        moderator.mode = chance.choice(("raise", "die", "hang"))
        time.sleep(chance.uniform(0.02, 0.3))
        moderator.mode = "well"
        moderator.recovered.set()
    stop.set()
    for reader in readers:
        reader.join(30)
    assert not any(reader.is_alive() for reader in readers)
    print(f"{len(shown):,} sentences shown, {refused} answers withdrawn")
    assert len(shown) > 1000 and refused > _FAILURES / 2
    seen = " ".join(moderator.judged)
    assert [piece for piece in shown if piece.strip() and piece.strip() not in seen] == []

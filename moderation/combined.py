"""Several moderators as one: any of them may refuse, and one that fails makes the whole fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from errors import ModerationError
from moderation.base import Exchange, Moderator, Verdict


class CombinedModerator:
    """Asks all moderators side by side, and is done when the slowest is. At least one is needed.

    Raises what one of them raises: a text that one could not judge is not judged, so the policy's `on_error` applies.
    """

    def __init__(self, moderators: Sequence[Moderator]) -> None:
        if not moderators:
            raise ValueError("no moderators")
        self._moderators = tuple(moderators)

    @property
    def name(self) -> str:
        return ", ".join(moderator.name for moderator in self._moderators)

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One merged verdict each, in order."""
        asked = [_Asked(moderator, exchanges) for moderator in self._moderators]
        for other in asked[1:]:
            # A daemon: one that hangs must not keep the program from ending.
            threading.Thread(target=other.run, name="moderator", daemon=True).start()
        asked[0].run()
        judged = [one.verdicts() for one in asked]
        return [merged(verdicts) for verdicts in zip(*judged, strict=True)]


class _Asked:
    """One moderator's share of the work."""

    def __init__(self, moderator: Moderator, exchanges: Sequence[Exchange]) -> None:
        self._moderator = moderator
        self._exchanges = exchanges
        self._done = threading.Event()
        self._verdicts: list[Verdict] = []
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            self._verdicts = self._moderator.check(self._exchanges)
        except Exception as error:  # raised again by whoever waits
            self._failure = error
        finally:
            self._done.set()

    def verdicts(self) -> list[Verdict]:
        """Wait for them. Raises `ModerationError` when there is not one for each exchange."""
        self._done.wait()
        if self._failure is not None:
            raise self._failure
        if len(self._verdicts) != len(self._exchanges):
            raise ModerationError(
                f"The moderator {self._moderator.name} gave {len(self._verdicts)} verdicts for "
                f"{len(self._exchanges)} texts; leave it out of --moderators, or mend it."
            )
        return self._verdicts


def merged(verdicts: Sequence[Verdict]) -> Verdict:
    """The highest score, the severest level and each category's highest probability; `parts` keeps the originals."""
    if len(verdicts) == 1:
        return verdicts[0]
    highest: dict[str, float] = {}
    for name, probability in (pair for verdict in verdicts for pair in verdict.categories):
        highest[name] = max(probability, highest.get(name, 0.0))
    return Verdict(
        score=max(verdict.score for verdict in verdicts),
        level=max(verdict.level for verdict in verdicts),
        categories=tuple(sorted(highest.items(), key=lambda pair: -pair[1])),
        parts=tuple(verdicts),
    )

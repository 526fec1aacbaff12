"""How many texts were refused, warned about or let through: per day, side, action and category, and no text.

    tally = Tally(folder)
    tally.count(Side.USER, decision)
    tally.days()                        # newest first

Kept in `counts.json` of the folder, written at most every `_EVERY_S` seconds and at the end: a crash loses no more
than that. Days are those of UTC; a year of them is kept.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moderation.base import Action, Side
from moderation.policy import Decision, Ground

OFF = "off"
"""Stands where an action would, for texts that were not screened because moderation was switched off."""
_DAYS = 366
_EVERY_S = 5.0

logger = logging.getLogger(__name__)

Key = tuple[str, str, str, str]
"""Day, side, action, category."""


@dataclass(frozen=True, slots=True)
class Count:
    day: str
    """In UTC, such as 2026-03-01."""
    side: str
    action: str
    category: str
    """A category, `off-topic`, what else a decision rested on (`phrase`, `unchecked`), or empty."""
    texts: int


class Tally:
    """Counts decisions. Light to make: the file is read when first needed. Safe to call from several threads."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells Unix time."""
        self._path = folder / "counts.json"
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[Key] | None = None
        self._written = 0.0
        self._changed = False

    def count(self, side: Side, decision: Decision | None) -> None:
        """Count a text; None stands for one that was not screened."""
        action = decision.action.value if decision is not None else OFF
        category = _category(decision) if decision is not None else ""
        with self._lock:
            self._loaded()[self._today(), side.value, action, category] += 1
            self._changed = True
            if self._clock() - self._written >= _EVERY_S:
                self._write()

    def days(self) -> list[Count]:
        """All counts, newest day first, then by side, action and category."""
        with self._lock:
            rows = [Count(*key, texts) for key, texts in sorted(self._loaded().items())]
        return sorted(rows, key=lambda row: row.day, reverse=True)

    def close(self) -> None:
        """Write what has been counted since the last time."""
        with self._lock:
            if self._changed:
                self._write()

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    def _loaded(self) -> Counter[Key]:
        if self._counts is None:
            self._counts = Counter()
            try:
                for *key, texts in json.loads(self._path.read_text(encoding="utf-8")):
                    day, side, action, category = key
                    known = action if action == OFF else Action(action).value
                    self._counts[str(day), Side(side).value, known, str(category)] = int(texts)
            except FileNotFoundError:
                pass
            except (OSError, ValueError, TypeError) as error:
                logger.warning("The counts in %s cannot be read, and begin anew: %s", self._path, error)
        return self._counts

    def _write(self) -> None:
        """A disk that is full costs counts, never an answer."""
        counts = self._loaded()
        kept = set(sorted({key[0] for key in counts})[-_DAYS:])
        self._counts = counts = Counter({key: texts for key, texts in counts.items() if key[0] in kept})
        self._written = self._clock()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps([[*key, texts] for key, texts in sorted(counts.items())]), encoding="utf-8")
            new.replace(self._path)
            self._changed = False
        except OSError as error:
            logger.error("The counts of moderation could not be written: %s", error)


def _category(decision: Decision) -> str:
    bare = not decision.category and decision.ground not in (Ground.JUDGED, Ground.WORDS)
    return decision.ground.value if bare else decision.category

"""Reads along while an answer is written: nothing is shown before it was checked.

    for piece in screened(pieces, check):
        ...                                     # str: show it; Retraction: take everything back

Covered: no character of a refused sentence is released, when the sentence has at most `HELD` characters and is
refused for itself or for what it adds to the words just before it. What stands in front of it is retracted with it.
Not covered: a longer sentence is released in stretches of at most `HELD` characters, each checked before it goes out,
so its beginning may have been seen for a moment when its end is refused; the same holds for a text that only the
final look at the whole refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from moderation.base import Action
from moderation.policy import Decision, worst

HELD = 200
"""Characters that may be held back at most; the shown text lags the written one by no more than that."""
LOOK_BACK = 120
"""Characters of the text before a sentence that are judged together with it."""

Check = Callable[[str], Decision]

_CLOSING = "\"'”’»)]）」』】*_"
# A full stop ends a sentence when white space follows, unless it belongs to an initial, abbreviation or list number.
_END = re.compile(rf"[.!?…؟۔।॥]+[{re.escape(_CLOSING)}]*(?=\s)|[。！？；]+[{re.escape(_CLOSING)}]*|\n")
_NO_END = re.compile(r"(?:(?<!\w)(?:[A-Za-z]|\d{1,3}|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|No|Fig|cf|Jr|Sr|approx|e\.g|i\.e))\.$")
_BLANK = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Retraction:
    """The answer was refused: what was released so far is to be taken back, and nothing more comes."""

    decision: Decision


def screened(
    pieces: Iterator[str], check: Check, held: int = HELD, begun: str = ""
) -> Generator[str | Retraction, None, Decision]:
    """The pieces again, released sentence by sentence after `check` allowed them; the last may be a `Retraction`.

    `check` is asked about each sentence with the `LOOK_BACK` characters before it, and once about the whole text when
    it is longer than what was judged together. On a refusal, and when the caller stops early, `pieces` is closed.
    Returns the severest decision, so that a caller may show a warning. Never more than `held` characters wait.

    `begun` is text before the pieces that was allowed earlier: it is judged together with them, and not by itself.
    """
    shown, waiting = begun, ""
    seen: list[str] = []
    decisions: list[Decision] = []
    try:
        for piece in pieces:
            if not piece:
                yield ""  # nothing to judge: the caller may have something to tell meanwhile
            waiting += piece
            while (cut := _cut(waiting, held)) > 0:
                ready, waiting = waiting[:cut], waiting[cut:]
                if ready.strip():
                    seen.append(_in_view(shown, ready))
                    decisions.append(check(seen[-1]))
                    if decisions[-1].action is Action.REFUSE:
                        yield Retraction(decisions[-1])
                        return decisions[-1]
                shown += ready
                yield ready
        for text in _to_the_end(shown, waiting, seen) if (shown + waiting)[len(begun) :].strip() else ():
            decisions.append(check(text))
            if decisions[-1].action is Action.REFUSE:
                yield Retraction(decisions[-1])
                return decisions[-1]
        if waiting:
            yield waiting
        return worst(decisions)
    finally:
        _close(pieces)


def _cut(waiting: str, held: int) -> int:
    """How many characters are ready to be judged: through the last finished sentence, or a stretch of `held`."""
    possible = [match.end() for match in _END.finditer(waiting)]
    ends = [end for end in possible if not _NO_END.search(waiting[:end])]
    if ends:
        return max((end for end in ends if end <= held), default=ends[0])
    if len(waiting) < held:
        return 0
    # A place that may end a sentence is better than any other: what follows may be a refused sentence.
    blanks = [match.end() for match in _BLANK.finditer(waiting, held // 2, held)]
    return max((end for end in possible if end <= held), default=blanks[-1] if blanks else held)


def _in_view(shown: str, ready: str) -> str:
    """The new text with what stands just before it, from the start of a word."""
    if len(shown) <= LOOK_BACK:
        return shown + ready
    before = shown[-LOOK_BACK:]
    blank = _BLANK.search(before, 0, LOOK_BACK // 2)
    return before[blank.end() if blank else 0 :] + ready


def _to_the_end(shown: str, waiting: str, seen: Sequence[str]) -> list[str]:
    """What is judged when the last piece is there: the rest, then the whole unless one check has seen all of it."""
    rest = [_in_view(shown, waiting)] if waiting.strip() else []
    whole = shown + waiting
    return rest if any(text.strip() == whole.strip() for text in (*seen, *rest)) else [*rest, whole]


def _close(pieces: Iterator[str]) -> None:
    """Tell a generator that nobody reads on; it stops the engine behind it."""
    close = getattr(pieces, "close", None)
    if close is not None:
        with suppress(RuntimeError):  # a generator that is running in another thread ends by its own cancel signal
            close()

"""Has an answer begun to repeat itself? Small models fall into loops and would go on to the longest allowed length.

A loop is an end of the text that consists of one piece, again and again, exactly or but for its numbers. Short pieces
may come many times (a rule of dashes, a table's edge, “ha ha ha”) before they count.
"""

from __future__ import annotations

import re

_LOOKED_AT = 2400
"""Characters at the end; the longest loop found has a third of it."""
_EVERY = 24
"""Characters between two looks."""
_LEAST_TIMES, _LEAST_CHARACTERS = 4, 160
"""A piece must come so often, and all of it together be so long…"""
_LONG_PIECE, _LONG_TIMES = 60, 3
"""… but a piece of so many characters need come only so often."""
_LEAST_COUNTED = 24
"""A piece that differs in its numbers must be so long: who is asked to count to a hundred may do so."""
_NUMBER = re.compile(r"\d+")
_CLOSING = re.compile(r"[.!?。！？…]+[\"”’')\]]*")
_RULE = re.compile(r"[\s\-=_*#|.:~+]*")
"""Drawn lines and table edges are no loops, however long."""


class LoopDetector:
    """Watches one answer while it is written."""

    def __init__(self) -> None:
        self._text = ""
        self._looked = 0

    def push(self, piece: str) -> int | None:
        """Where the text may be cut, once it has begun to loop: after the first time of what is repeated."""
        self._text += piece
        if len(self._text) - self._looked < _EVERY:
            return None
        self._looked = len(self._text)
        return self._cut()

    def _cut(self) -> int | None:
        tail = self._text[-_LOOKED_AT:]
        found = _loop(tail)
        if found is not None:
            return len(self._text) - len(tail) + _sentence_end(tail, found)
        # But for its numbers: “Step 1. … Step 2. …”. The cut is searched in the text as it is.
        plain = _NUMBER.sub("0", tail)
        if plain == tail or (start := _loop(plain, _LEAST_COUNTED)) is None:
            return None
        return len(self._text) - len(tail) + _sentence_end(tail, _place(tail, start))


def _loop(text: str, least: int = 1) -> int | None:
    """The end of the first time of what `text` ends in again and again, at least so long; None where it does not."""
    back = text[::-1]
    # failure[i]: length of the longest proper border of back[:i+1] (Knuth, Morris and Pratt 1977), so that
    # i + 1 - failure[i] is the shortest period of the last i + 1 characters.
    failure = [0] * len(back)
    best: int | None = None
    for i in range(1, len(back)):
        k = failure[i - 1]
        while k and back[i] != back[k]:
            k = failure[k - 1]
        failure[i] = k + (back[i] == back[k])
        length, period = i + 1, i + 1 - failure[i]
        times = length // period
        if times < 2 or period < least:
            continue
        enough = times >= _LEAST_TIMES and length >= _LEAST_CHARACTERS
        if (enough or (period >= _LONG_PIECE and times >= _LONG_TIMES)) and not _RULE.fullmatch(text[-period:]):
            best = len(text) - length + period
    return best


def _sentence_end(text: str, at: int) -> int:
    """`at`, moved behind the marks that end the sentence there."""
    closing = _CLOSING.match(text, at)
    return closing.end() if closing else at


def _place(text: str, start: int) -> int:
    """The place in `text` that is `start` once every number in it counts as one character."""
    at = shift = 0
    for match in _NUMBER.finditer(text):
        if match.start() - shift >= start:
            break
        shift += len(match[0]) - 1
        at = match.end()
    return max(start + shift, at if at - shift > start else 0)

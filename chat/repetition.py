"""Has an answer begun to repeat itself? Small models fall into loops and would go on to the longest allowed length.

Two things are loops, and only these; where in doubt an answer goes on, for a loop costs tokens and a false alarm an
answer:

- *The same again*: the text ends in one piece, exactly repeated, over `_LEAST_BYTES`; a long piece three times.
- *Nothing new*: over `_STALE_BYTES` of prose, nearly every run of `_RUN` words has been written before, and again and
  again. Numbers are words, so tables and lists whose numbers change go on; the counters of a list are none.

In a block of code or a table more is allowed: rows of data look alike, and are wanted. Lines drawn and space left are
allowed some length. A length is in bytes of UTF-8, so that a Chinese loop is found as soon as an English one. The rules
know nothing of the question: who asks for the same line forty times gets it once.
"""

from __future__ import annotations

import re
from collections import Counter, deque

from retrieval.text import HAN

_EVERY = 24
"""Characters between two looks."""
_LEAST_BYTES, _LEAST_TIMES = 512, 4
"""The same again: so much of it, so often…"""
_LONG_BYTES, _LONG_TIMES = 200, 3
"""… or a piece of so many bytes so often."""
_IN_DATA = 3
"""So many times as much in a block of code or a table; elsewhere two times as much of what holds no letter."""
_TAIL = 32
"""Characters at the end whose earlier places tell how long the piece may be."""
_TRIED = 16
"""Earlier places of them that are looked at."""
_DRAWN = re.compile(r"[\-=_*#|.:~+ ]*")
_LONGEST_RULE, _LONGEST_SPACE, _MOST_BREAKS = 400, 1000, 100
"""Characters of a drawn line, of spaces, and empty lines."""
_STALE_BYTES = 1024
_RUN = 6
_BEFORE = 3
"""Times that a run of words must have been written before to be nothing new."""
_STALE_SHARE = 0.97
_LETTERS_SHARE = 0.5
"""Of the words, at least so many are no numbers: a table of zeros and ones is no prose."""
_ROW = re.compile(r"[ \t]*\|")
_LETTER = re.compile(r"[^\W\d_]")
_CLOSING = re.compile(r"[.!?。！？…]+[\"”’')\]]*")
_PART = re.compile(
    r"(?P<fence>^[ \t]*(?:```|~~~)[^\n]*\n)"
    r"|(?P<row>^[ \t]*\|[^\n]*\n)"
    r"|(?P<counter>^[ \t]*(?:[-*•]\s+)?(?:Step\s+|第|步骤\s*)?"
    r"[(（]?(?:\d{1,4}|[A-Za-z]|[ivxlcIVXLC]{1,6}|[一二三四五六七八九十百]{1,4})(?:步\s*)?[.)）、:：])"
    rf"|(?P<word>[{HAN}]|(?:(?![{HAN}])[^\W\d_])+(?:['’](?:(?![{HAN}])[^\W\d_])+)*)"
    r"|(?P<number>\d+(?:[.,]\d+)*)",
    re.MULTILINE,
)


class LoopDetector:
    """Watches one answer while it is written."""

    def __init__(self) -> None:
        self._text = ""
        self._looked = 0
        self._words = _Words()

    def push(self, piece: str) -> int | None:
        """Where the text may be cut, once it has begun to loop: after the first time of what is repeated."""
        self._text += piece
        if len(self._text) - self._looked < _EVERY:
            return None
        self._looked = len(self._text)
        stale = self._words.read(self._text)
        data = self._words.in_code or _ROW.match(self._text, self._text.rfind("\n", 0, -1) + 1) is not None
        cut = _same_again(self._text, data)
        if cut is None:
            cut = stale
        return None if cut is None else _sentence_end(self._text, cut)


def _same_again(text: str, data: bool) -> int | None:
    """The end of the first time of what `text` ends in, again and again; None where it does not."""
    tail = text[-_TAIL:]
    if len(tail) < _TAIL:
        return None
    at = len(text) - _TAIL
    for _ in range(_TRIED):
        at = text.rfind(tail, 0, at + _TAIL - 1)
        if at < 0:
            return None
        period = len(text) - _TAIL - at
        start = _begin(text, period)
        if _enough(text[-period:], text[start:], data):
            return start + period
    return None


def _begin(text: str, period: int) -> int:
    """Where the end of `text` begins that has this period."""
    piece, at = text[-period:], len(text) - period
    while at >= period and text[at - period : at] == piece:
        at -= period
    while at > 0 and text[at - 1] == text[at - 1 + period]:
        at -= 1
    return at


def _enough(piece: str, repeated: str, data: bool) -> bool:
    """Whether `repeated`, which is `piece` again and again, is a loop."""
    if _DRAWN.fullmatch(piece):
        return len(repeated) > (_LONGEST_RULE if piece.strip() else _LONGEST_SPACE)
    if not piece.strip():
        return repeated.count("\n") > _MOST_BREAKS
    size, times = len(piece.encode()), len(repeated) // len(piece)
    more = _IN_DATA if data else 1 if _LETTER.search(piece) else 2
    if size >= _LONG_BYTES and times >= _LONG_TIMES + more - 1:
        return True
    return times >= _LEAST_TIMES * more and len(repeated.encode()) >= _LEAST_BYTES * more


class _Words:
    """The words of an answer so far, and how many of the last ones are nothing new."""

    def __init__(self) -> None:
        self.in_code = False
        self._read = 0
        self._recent: deque[str] = deque(maxlen=_RUN)
        self._seen: Counter[tuple[str, ...]] = Counter()
        self._window: deque[tuple[int, int, bool, bool]] = deque()
        """Of each of the last words: bytes up to it from the one before, its end, whether it has letters and is old."""
        self._bytes = self._old = self._letters = 0
        self._new = 0
        """The end of the last word, before the window, that ended a run never written before."""
        self._fresh: deque[int] = deque()
        """Ends of those in the window."""

    def read(self, text: str) -> int | None:
        """Take in what was added; where the text may be cut if nothing new has come for long, else None."""
        for part in _PART.finditer(text, self._read):
            if part.end() == len(text):  # it may go on
                break
            if part["fence"] is not None:
                self.in_code = not self.in_code
            if part["fence"] is not None or part["row"] is not None or self.in_code:
                self._forget()
            elif part["counter"] is None:
                self._take(text, part)
            self._read = part.end()
        return self._stale()

    def _take(self, text: str, part: re.Match[str]) -> None:
        self._recent.append(part[0].lower())
        if len(self._recent) < _RUN:
            return
        run = tuple(self._recent)
        before, self._seen[run] = self._seen[run], self._seen[run] + 1
        size = len(text[self._read : part.end()].encode())
        old, letters = before >= _BEFORE, part["word"] is not None
        self._window.append((size, part.end(), letters, old))
        self._bytes, self._old, self._letters = self._bytes + size, self._old + old, self._letters + letters
        if not before:
            self._fresh.append(part.end())
        while self._bytes - self._window[0][0] >= _STALE_BYTES:
            size, end, letters, old = self._window.popleft()
            self._bytes, self._old, self._letters = self._bytes - size, self._old - old, self._letters - letters
            while self._fresh and self._fresh[0] <= end:
                self._new = self._fresh.popleft()

    def _stale(self) -> int | None:
        count = len(self._window)
        if self._bytes < _STALE_BYTES or self._old < _STALE_SHARE * count or self._letters < _LETTERS_SHARE * count:
            return None
        return self._new

    def _forget(self) -> None:
        """What comes between code or rows of a table is read anew."""
        self._recent.clear()
        self._window.clear()
        self._fresh.clear()
        self._bytes = self._old = self._letters = 0


def _sentence_end(text: str, at: int) -> int:
    """`at`, moved behind the marks that end the sentence there."""
    closing = _CLOSING.match(text, at)
    return closing.end() if closing else at

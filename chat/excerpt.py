"""How long a quotation is, and a long sentence cut down to the clauses that matter, word for word."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from retrieval.text import CJK

ELLIPSIS = "…"
_CJK_PER_WORD = 1.5
_IS_CJK = re.compile(f"[{CJK}]")
_CLAUSE_END = re.compile(r"[,;:)—–][\"'”’]?\s+|\s+(?=\(|[—–] )|[，；、：]")
_PIECE = re.compile(rf"[^\s{CJK}]+\s*|[{CJK}]\s*")
_REFERENCE = re.compile(r"(?<!\\)\[\s*\d{1,2}(?:\s*[,，、;；]\s*\d{1,2})*\s*\]")
_REFERENCE_AT_END = re.compile(rf"\s*(?:{_REFERENCE.pattern}|[【［]\s*\d{{1,2}}\s*[】］])\s*\Z")
_MOST_CLAUSES = 60


def words(text: str) -> float:
    """Length in words. 1.5 Chinese, Japanese or Korean characters count as one; elsewhere spaces divide words."""
    cjk = 0 if text.isascii() else len(_IS_CJK.findall(text))
    return cjk / _CJK_PER_WORD + len((_IS_CJK.sub(" ", text) if cjk else text).split())


def excerpt(sentence: str, most_words: float, merit: Callable[[str], float]) -> str:
    """The sentence, or the run of its clauses with the most `merit` that fits, with … where something is left out.

    Bracketed numbers would read like citations of ours: at the end of the sentence they go, inside it a backslash
    tells Markdown, and our own parser, that they are text.
    """
    while ending := _REFERENCE_AT_END.search(sentence):
        sentence = sentence[: ending.start()]
    if words(sentence) > most_words:
        sentence = _best_clauses(sentence, most_words, merit)
    return _REFERENCE.sub(r"\\\g<0>", sentence)


def _best_clauses(sentence: str, most_words: float, merit: Callable[[str], float]) -> str:
    ends = [match.end() for match in _CLAUSE_END.finditer(sentence)][:_MOST_CLAUSES]
    starts, ends = [0, *ends], [*ends, len(sentence)]
    best, kept = -math.inf, ""
    for i, start in enumerate(starts):
        fitting = [end for end in ends[i:] if words(sentence[start:end]) + 2 <= most_words]
        if not fitting:
            continue
        window = _marked(sentence, start, fitting[-1])
        score = merit(window) - 0.001 * i  # of equals the first
        if score > best:
            best, kept = score, window
    return kept or _best_words(sentence, most_words, merit)


def _best_words(sentence: str, most_words: float, merit: Callable[[str], float]) -> str:
    """For a sentence without clauses that fit, such as a table row or a list: the best run of words."""
    pieces = [match.span() for match in _PIECE.finditer(sentence)]
    room = max(1, int((most_words - 2) * (_CJK_PER_WORD if _IS_CJK.search(sentence) else 1)))
    step = max(1, room // 4, len(pieces) // 200)
    windows = [
        _marked(sentence, pieces[i][0], pieces[min(i + room, len(pieces)) - 1][1])
        for i in range(0, max(1, len(pieces) - room + step), step)
    ]
    fitting = [window for window in windows if words(window) <= most_words]
    return max(fitting, key=merit, default="")


def _marked(sentence: str, start: int, end: int) -> str:
    kept = sentence[start:end].strip()
    after = ""
    if end < len(sentence):
        kept = kept.rstrip(" ,;:，；、：—–")
        after = ELLIPSIS
    return f"{ELLIPSIS if start else ''}{kept}{after}"

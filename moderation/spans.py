"""Stretches of a text that can be read otherwise, and the text with them put in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 4000
"""Characters of one reading."""
_AROUND = 200
"""Characters kept before and after a stretch of a text that is longer than a reading may be."""


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` may be read as `plain`."""

    start: int
    end: int
    plain: str


def in_place(text: str, spans: Sequence[Span]) -> str:
    """The text with each span replaced; of a long text only what stands near spans. They are in order, and apart."""
    keep = _AROUND if len(text) > LONGEST else len(text)
    parts: list[str] = []
    done = 0
    for span in spans:
        if span.start - done > 2 * keep:
            parts += (text[done : done + keep] if done else "", "\n", text[span.start - keep : span.start])
        else:
            parts.append(text[done : span.start])
        parts.append(span.plain)
        done = span.end
    parts.append(text[done : done + keep])
    return "".join(parts)


def pieces(reading: str) -> list[str]:
    """The reading in parts of at most `LONGEST` characters."""
    return [reading[start : start + LONGEST] for start in range(0, len(reading), LONGEST)]


def apart(spans: Iterable[Span]) -> list[Span]:
    """The spans in order; of those that overlap the first, and of those that begin together the longest."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found

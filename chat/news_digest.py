"""News as the reader tells it: the reports that lead among the passages, newest first, in their own words."""

from __future__ import annotations

from collections.abc import Sequence

from chat.excerpt import excerpt
from retrieval.base import Passage
from retrieval.recent import recent
from retrieval.sentences import sentences

_LONGEST_HEAD, _LONGEST_SENTENCE = 30, 30
"""Words of a date with its headline, and of the sentence after it."""


def digest(question: str, passages: Sequence[Passage]) -> str:
    """A line for each report with its `[n]`; empty where the question asks for no news, or nothing leads."""
    about_now = recent(question)
    if about_now is None or not about_now.news:
        return ""
    return "\n".join(_line(passage, number) for number, passage in enumerate(passages, start=1) if passage.leads)


def _line(passage: Passage, number: int) -> str:
    """Its first line, which holds date and headline, and the first sentence that says more."""
    head, _, rest = passage.text.partition("\n")
    parts = [excerpt(head.strip(), _LONGEST_HEAD, lambda part: 0.0)]
    for span in sentences(rest)[:1]:
        sentence = " ".join(rest[span.start : span.end].split())
        if sentence.rstrip(".。") not in head:
            parts.append(excerpt(sentence, _LONGEST_SENTENCE, lambda part: 0.0))
    return f"- {' — '.join(parts)} [{number}]"

"""Which words of a passage an answer took over, so that they can be marked where the passage is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

# A word, or a single character of a script that is written without spaces.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_SHORTEST_RUN = 5
_LONGEST_ANSWER = 4000


@dataclass(frozen=True, slots=True)
class Mark:
    """`text[start:end]` was taken over."""

    start: int
    end: int


def marks(answer: str, passage: str) -> list[Mark]:
    """Runs of at least five words (or CJK characters) that stand in both, in the passage's order."""
    ours = list(_TOKEN.finditer(passage))
    theirs = [m.group().casefold() for m in _TOKEN.finditer(answer[:_LONGEST_ANSWER])]
    matcher = SequenceMatcher(None, [m.group().casefold() for m in ours], theirs, autojunk=False)
    runs = [block for block in matcher.get_matching_blocks() if block.size >= _SHORTEST_RUN]
    return [Mark(ours[run.a].start(), ours[run.a + run.size - 1].end()) for run in runs]

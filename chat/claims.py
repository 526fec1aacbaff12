"""The citations of an answer, checked sentence by sentence against the passages that they name.

    check = checks.begin(language, passage_of)          # passage_of(3): the passage that is cited as [3]
    check.push("Fleming did [1]. Florey", [1])          # one sentence is whole: its check begins, behind the stream
    check.doubts("Fleming did [1]. Florey too.", [1])   # what was found, of the answer as it is kept

A citation behind a sentence belongs to that sentence. Several in one sentence may support it together: each is in doubt
only where it does not support the sentence alone, and either they do not together or it adds nothing.
Not checked: sentences that say that a source does not say something, and lists of sources.
"""

from __future__ import annotations

import logging
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from chat.citations import Mark, marks
from chat.conversation import Doubt
from retrieval.base import Passage
from retrieval.sentences import sentences
from retrieval.support import Support
from retrieval.text import analyse

logger = logging.getLogger(__name__)

PassageOf = Callable[[int], Passage]

_LIMIT_S = 2.0
"""What the end of an answer may wait for its checks; what is not told by then stays unmarked."""
_THREADS = 2
_SAYS_NOTHING = re.compile(
    r"\b(?:source|passage|document|text|article|excerpt|context)s?\b.{0,40}\b(?:not|n['’]t|no|nothing|never)\b"
    r"|\b(?:no|none|neither|nothing)\b.{0,30}\b(?:source|passage|document|text|article|excerpt|context)s?\b"
    r"|(?:资料|資料|来源|來源|文中|文档|文檔|段落|原文).{0,12}(?:没有|沒有|未|并未|並未|不)"
    r"|[:：][\s,;，、；]*\Z",
    re.IGNORECASE,
)
"""A source that does not say something, or the line before a list."""
_ADDS = 0.25
"""By how much a passage must raise what speaks for a sentence."""
_ENDS = re.compile(r"[.!?。！？…\n]")
_TITLE_AND = 2
"""Words that a list of sources has beside a title."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence without its citations, and where these stand in the text."""

    sentence: str
    marks: tuple[Mark, ...]
    leads: bool
    """Whether a citation stands at the beginning of its line, as in a list of sources."""

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(number for mark in self.marks for number in mark.numbers))


def claims(text: str, numbers: Collection[int]) -> list[Claim]:
    """The sentences of a text that cite one of these numbers."""
    found = [mark for mark in marks(text, max(numbers, default=0)) if set(mark.numbers) <= set(numbers)]
    plain, cuts = _without(text, found)
    spans = sentences(plain)
    ends = [span.end for span in spans]
    belonging: dict[int, list[Mark]] = {}
    leading: set[int] = set()
    for at, mark in cuts:
        i = bisect_left(ends, at)
        inside = i < len(spans) and spans[i].start < at
        line_begins = not plain[:at].rpartition("\n")[2].strip(" \t-*+•")
        if not inside and line_begins and i < len(spans) and "\n" not in plain[at : spans[i].start]:
            leading.add(i)
        elif not inside:
            i -= 1
        if 0 <= i < len(spans):
            belonging.setdefault(i, []).append(mark)
    return [
        Claim(plain[spans[i].start : spans[i].end], tuple(own), i in leading) for i, own in sorted(belonging.items())
    ]


def _without(text: str, found: Sequence[Mark]) -> tuple[str, list[tuple[int, Mark]]]:
    """The text without its citations and the space before them, and where each was cut out of it."""
    plain, cuts, at = "", [], 0
    for mark in found:
        plain += text[at : mark.start].rstrip(" \t") if mark.start > at else ""
        cuts.append((len(plain), mark))
        at = mark.end
    return plain + text[at:], cuts


class CitationChecks:
    """Checks the citations of any number of answers, a few sentences at a time. Safe to call from several threads."""

    def __init__(self, support: Support, limit_s: float = _LIMIT_S) -> None:
        self._support = support
        self._limit_s = limit_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="citations")

    def begin(self, language: str, passage_of: PassageOf) -> CitationCheck:
        """The check of one answer in a language (ISO 639-1)."""
        return CitationCheck(self._support, self._threads, self._limit_s, language, passage_of)


class CitationCheck:
    """The check of one answer: its text is pushed while it is written."""

    def __init__(
        self, support: Support, threads: ThreadPoolExecutor, limit_s: float, language: str, passage_of: PassageOf
    ) -> None:
        self._support = support
        self._threads = threads
        self._limit_s = limit_s
        self._language = language
        self._passage_of = passage_of
        self._text = ""
        self._begun: dict[tuple[str, tuple[int, ...]], Future[frozenset[int]]] = {}

    def push(self, piece: str, numbers: Collection[int]) -> None:
        """The next piece of the answer, its citations numbered; checks begin for the sentences that are whole."""
        self._text += piece
        if not _ENDS.search(piece):
            return
        before, paragraph, after = self._text.rpartition("\n\n")
        whole = claims(before, numbers) if paragraph else []
        for claim in (*whole, *claims(after, numbers)[:-1]):
            self._check(claim)
        self._text = after

    def doubts(self, answer: str, numbers: Collection[int]) -> tuple[Doubt, ...]:
        """The citations of the whole answer that are not supported, in order."""
        until = time.monotonic() + self._limit_s
        checks = [(claim, self._check(claim)) for claim in claims(answer, numbers)]
        return tuple(
            Doubt(mark.start, mark.end, number, claim.sentence)
            for claim, check in checks
            for mark in claim.marks
            for number in mark.numbers
            if number in _told(check, until)
        )

    def _check(self, claim: Claim) -> Future[frozenset[int]]:
        """The numbers of a claim that do not support it, being found."""
        key = (claim.sentence, claim.numbers)
        if key not in self._begun:
            self._begun[key] = self._threads.submit(self._unsupported, claim)
        return self._begun[key]

    def _unsupported(self, claim: Claim) -> frozenset[int]:
        passages = {number: self._passage_of(number) for number in claim.numbers}
        if _SAYS_NOTHING.search(claim.sentence) or (claim.leads and _lists(claim.sentence, list(passages.values()))):
            return frozenset()
        alone = {number: self._weigh(claim, [passage]) for number, passage in passages.items()}
        failing = {number: logit for number, logit in alone.items() if logit is not None and logit < 0}
        if not failing or len(passages) == 1:
            return frozenset(failing)
        together = self._weigh(claim, list(passages.values()))
        if together is None or together < 0:
            return frozenset(failing)
        return frozenset(number for number in failing if not self._adds(claim, number, passages, together))

    def _adds(self, claim: Claim, number: int, passages: dict[int, Passage], together: float) -> bool:
        """Whether the cited passages support the claim less without this one."""
        without = self._weigh(claim, [passage for other, passage in passages.items() if other != number])
        return without is None or without < together - _ADDS

    def _weigh(self, claim: Claim, passages: Sequence[Passage]) -> float | None:
        return self._support.weigh(claim.sentence, self._language, passages)


def _told(check: Future[frozenset[int]], until: float) -> frozenset[int]:
    """What a check found; nothing where it is late or fails."""
    try:
        return check.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        return frozenset()
    except Exception:
        logger.exception("A citation could not be checked")
        return frozenset()


def _lists(line: str, passages: Sequence[Passage]) -> bool:
    """Whether a line does little more than name one of the passages."""
    said = set(analyse(line))
    titles: Iterator[set[str]] = (set(analyse(f"{p.title} {p.section}")) for p in passages)
    return any(title & said and len(said - title) <= _TITLE_AND for title in titles)

"""What a document is about, by its structure: its parts, and the sentences that say most of it.

The first sentence that can stand alone opens an overview. The others are the most central ones, better where they
begin a part or say what the document does, worse where they lean on what stands before them; each that is chosen makes
what is like it, and what stands in the same part, less welcome (Carbonell & Goldstein 1998, “maximal marginal
relevance”). They are given in the order of the document. Words decide, no model: it works in every language the
analysis knows, and needs no vectors.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrieval.base import Passage
from retrieval.centrality import by_terms, centrality
from retrieval.documents import About, Readable
from retrieval.sampling import Sample, sample
from retrieval.split import Span
from retrieval.standalone_sentences import Candidate, candidates, headline
from retrieval.text import CJK

Matrix = NDArray[np.float32]

PASSAGES = 8
"""Passages that an overview stands on."""
_FEWEST, _MOST, _PER_ROOT = 3, 6, 1.2
"""Sentences, where their number is left open; how many for each unit of the square root of how many there are."""
_LONGEST_LIST = 20
_MOST_SENTENCES = 2000
"""Sentences that are compared with one another: 4,000,000 likenesses, 16 MB."""
_BEGINS, _LIKE, _SAME_PART, _UNFIT, _REPEATED = 0.3, 0.5, 0.3, -2.0, -1.0
"""What the beginning of a part gains; what likeness to a chosen sentence, and a chosen one's part, cost."""
_OFTEN, _SAME = 3, 0.95
"""Times from which a sentence is said again and again; likeness from which two are the same."""
_POOR = -0.36
"""What weighs less is no good opening."""
_STRETCHES = 6
"""Parts that a document without headings is taken to have, all of the same length."""


_FILE_NAME = re.compile(r"[^\n]+\.\w{1,5}")


@dataclass(frozen=True, slots=True)
class Quote:
    """`passages[passage].text[span.start : span.end]` of an overview."""

    passage: int
    span: Span


@dataclass(frozen=True, slots=True)
class Table:
    """What a document that is a table holds."""

    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Overview:
    """One document in short."""

    about: About
    headline: str
    """The line that it begins with, where it looks like a title and the document has no other; else empty."""
    passages: tuple[Passage, ...]
    """What it stands on, in the order of the document; empty where the document is gone."""
    quotes: tuple[Quote, ...]
    outline: tuple[str, ...]
    """The headings of its parts, in order."""
    words: int
    """Its length; characters in Chinese and Japanese. Estimated where not all of it was read."""
    read: int
    """Passages that were read, of `count`."""
    count: int
    place: str
    """Where the last passage that was read stands in its file: `page 12`; empty where a file has no such places."""
    table: Table | None = None

    @property
    def whole(self) -> bool:
        return self.read >= self.count


def overview(document: Readable, sentences: int = 0, passages: int = PASSAGES) -> Overview:
    """Read a document, or enough of it, and choose so many sentences; 0 leaves their number to its length.

    `passages` is the most it stands on, unless the sentences stand in more.

    Raises `SourceError` when it cannot be read.
    """
    read = sample(document)
    about = document.about
    named_after_file = about.title in ("", about.name) or _FILE_NAME.fullmatch(about.title) is not None
    title = headline(read.passages[0]) if read.passages and named_after_file else None
    found = _sentences(read, title)
    table = _table(read, found)
    wanted = min(sentences, _LONGEST_LIST) or _number(found, read)
    likeness = by_terms([each.candidate.text for each in found], read.passages[0].language if found else "")
    scores = _scores(found, centrality(likeness))
    order = _order(found, scores, likeness, wanted)
    chosen = [i for i, each in enumerate(found) if each.candidate.is_row][:wanted] if table else order[:wanted]
    held = dict.fromkeys(found[i].passage for i in chosen)
    others = dict.fromkeys(found[i].passage for i in order if found[i].passage not in held)
    given = sorted([*held, *list(others)[: max(passages - len(held), 0)]])
    places = {index: place for place, index in enumerate(given)}
    return Overview(
        about=about,
        headline=read.passages[0].text[title.start : title.end] if title else "",
        passages=tuple(read.passages[index] for index in given),
        quotes=tuple(Quote(places[found[i].passage], found[i].candidate.span) for i in sorted(chosen)),
        outline=read.outline,
        words=_length(read),
        read=len(read.passages),
        count=read.count,
        place=read.passages[-1].place if read.passages else "",
        table=table,
    )


@dataclass(frozen=True, slots=True)
class _Sentence:
    candidate: Candidate
    passage: int
    part: str
    begins: bool
    """Whether it is the first of a part that can stand alone."""
    repeated: bool
    """Whether it stands in the document again and again, but for its numbers: a running head, a footer."""


def _sentences(read: Sample, title: Span | None) -> list[_Sentence]:
    """What can be quoted, in order: a title that is told anyway is left out."""
    found: list[_Sentence] = []
    parted = bool(read.outline)
    begun = set[str]()
    given = [candidates(passage) for passage in read.passages]
    said = Counter(_numberless(each.text) for group in given for each in group)
    for index, passage in enumerate(read.passages):
        part = read.heading(passage) if parted else str(index * _STRETCHES // len(read.passages))
        for candidate in given[index]:
            if index == 0 and title is not None and candidate.span.end <= title.end:
                continue
            repeated = said[_numberless(candidate.text)] >= _OFTEN
            begins = parted and candidate.fit and part not in begun and not repeated
            begun |= {part} if begins else set()
            found.append(_Sentence(candidate, index, part, begins, repeated))
    if len(read.passages) <= _STRETCHES and not parted:
        found = [replace(each, part=str(i * _STRETCHES // len(found))) for i, each in enumerate(found)]
    return found[:_MOST_SENTENCES]


_NUMBER = re.compile(r"\d+")


def _numberless(text: str) -> str:
    return _NUMBER.sub("0", text)


def _table(read: Sample, found: Sequence[_Sentence]) -> Table | None:
    """The columns, if most of what was read are rows."""
    rows = [each.candidate.text for each in found if each.candidate.is_row]
    if 2 * len(rows) <= len(found) or len(rows) < _FEWEST:
        return None
    columns = dict.fromkeys(cell.partition(":")[0].strip() for row in rows for cell in row.split("; ") if ": " in cell)
    return Table(tuple(columns), round(len(rows) * read.count / len(read.passages)))


def _number(found: Sequence[_Sentence], read: Sample) -> int:
    """How many sentences do: for few a share of them, for many less, and one for each part while these are not many."""
    fit = sum(each.candidate.fit for each in found)
    return max(_FEWEST, min(_MOST, max(math.ceil(_PER_ROOT * math.sqrt(fit)), len(read.outline) + 1)))


def _scores(found: Sequence[_Sentence], central: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much speaks for each sentence, shape (n,)."""
    own = [
        each.candidate.worth + _BEGINS * each.begins + _REPEATED * each.repeated + _UNFIT * (not each.candidate.fit)
        for each in found
    ]
    scores: NDArray[np.float32] = central + np.array(own, np.float32)
    return scores


def _order(found: Sequence[_Sentence], scores: NDArray[np.float32], likeness: Matrix, wanted: int) -> list[int]:
    """Indices of sentences, each the most welcome after those before it; enough for the quotes and the passages."""
    fit = [i for i, each in enumerate(found) if each.candidate.fit]
    # Nothing stands before the first sentence that it could lean on.
    good = (i for i in fit if found[i].candidate.weight > _POOR and not found[i].repeated)
    opening = next(good, fit[0] if fit else None)
    return list(_best(found, scores, likeness, opening, max(wanted, 4 * PASSAGES)))


def _best(
    found: Sequence[_Sentence], scores: NDArray[np.float32], likeness: Matrix, opening: int | None, most: int
) -> Iterator[int]:
    """The opening first. What cannot stand alone comes only where there is nothing else."""
    left = scores.copy()
    nearest = np.zeros(len(found), np.float32)
    used: Counter[str] = Counter()
    for _ in range(min(most, len(found))):
        welcome = left - _LIKE * nearest - _SAME_PART * np.array([used[each.part] for each in found], np.float32)
        best = int(welcome.argmax()) if used or opening is None else opening
        if left[best] == -np.inf or (opening is not None and not found[best].candidate.fit):
            return
        yield best
        left[likeness[best] >= _SAME] = -np.inf
        left[best] = -np.inf
        nearest = np.maximum(nearest, likeness[best])
        used[found[best].part] += 1


_IS_CJK = re.compile(f"[{CJK}]")


def _length(read: Sample) -> int:
    """Words of the document, or characters where most of it is Chinese or Japanese."""
    total = 0
    for passage in read.passages:
        cjk = len(_IS_CJK.findall(passage.text))
        total += cjk if 2 * cjk > len(passage.text.replace(" ", "")) else len(passage.text.split())
    return round(total * read.count / max(len(read.passages), 1))

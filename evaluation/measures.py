"""What is measured of a model's answers: for each item what it adds to each figure.

`score` is what `evaluation.checks` give. `exact` and `f1` are SQuAD's, of items that have answers to compare with.
Of items with sources: `grounded`, the share of an answer's sentences that the sources say, and `cites_supported`, the
share of its citations whose passage says what they are cited for, both by the check that the app itself makes
(`retrieval.support`, `chat.claims`; sentences of which it cannot tell do not count). Where it is known which sources
hold the answer: `cites_precision` and `cites_recall` of the sources that are cited; an answer that cites nothing has a
recall of 0 and no precision. Citations and grounding are measured of answers, not of refusals.

`refused`: of answerable items, those that were refused. `answered`: of unanswerable ones, those that were answered.
`loops`: answers that `chat.repetition` would cut. `distinct2`: different pairs of tokens among the pairs of an answer
(after Li et al. 2016, NAACL, who count over all answers, by tokens). `new_topic` and `old_topic`: after a change of
topic, answers that bear on the new one, and those that are still at the old one. `failed`: items that do not fit the
model's context; they score 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from chat.citations import Numbering, marks
from chat.claims import CitationChecks
from chat.repetition import LoopDetector
from evaluation.checks import mentioned, score, without_citations
from evaluation.engines import Answer, passages_of
from evaluation.items import Item
from evaluation.refusals import refuses
from evaluation.significance import Sums
from evaluation.squad import exact, f1, normalise, tokens
from retrieval.base import Passage
from retrieval.sentences import sentences
from retrieval.support import Support

if TYPE_CHECKING:
    from evaluation.likelihood import Loss

Better = Literal["higher", "lower", ""]
_FEWEST_PAIRS = 2
_PIECE = re.compile(r"\s*\S{1,8}")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure: what it is called, and which way is better."""

    label: str
    better: Better = "higher"
    exponential: bool = False


MEASURES: Mapping[str, Measure] = {
    "score": Measure("score"),
    "exact": Measure("exact match"),
    "f1": Measure("token F1"),
    "perplexity": Measure("perplexity per token", "lower", exponential=True),
    "byte_perplexity": Measure("perplexity per byte", "lower", exponential=True),
    "grounded": Measure("sentences that the sources say"),
    "cites_precision": Measure("citations: precision"),
    "cites_recall": Measure("citations: recall"),
    "cites_supported": Measure("citations supported"),
    "refused": Measure("refused although answerable", "lower"),
    "answered": Measure("answered although not answerable", "lower"),
    "new_topic": Measure("on the new topic"),
    "old_topic": Measure("still on the old topic", "lower"),
    "loops": Measure("repeats itself", "lower"),
    "distinct2": Measure("distinct pairs of words", ""),
    "words": Measure("words", ""),
    "failed": Measure("too long for the model", "lower"),
}

Row = dict[str, tuple[float, float]]
"""What one item adds to each figure that it has, above and below the line."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An item, the answer, and what it adds."""

    item: Item
    answer: Answer
    row: Row


class Judge:
    """Measures answers. Safe to call from one thread."""

    def __init__(self, support: Support) -> None:
        self._support = support
        self._checks = CitationChecks(support, limit_s=60.0)

    def judge(self, item: Item, answer: Answer, loss: Loss | None = None) -> Judged:
        """All that can be measured of one answer."""
        row: Row = {"failed": _share(bool(answer.failed))}
        if loss is not None:
            row["perplexity"] = (loss.nats, float(loss.tokens))
            row["byte_perplexity"] = (loss.nats, float(loss.bytes))
        plain = without_citations(answer.text, len(item.sources)).strip()
        answers_it = item.answerable and mentioned(plain, item.answers)
        refused = answer.unanswered or (refuses(plain) and not answers_it)
        row["score"] = _share(_worth(item, answer))
        if item.answers:
            gold = [normalise(each) for each in item.answers]
            row["exact"] = _share(exact(normalise(plain), gold))
            row["f1"] = _share(f1(normalise(plain), gold))
        row |= {"refused": _share(refused)} if item.answerable else {"answered": _share(not refused and bool(plain))}
        row |= _topics(item, plain)
        if answer.text:
            row |= _repetition(answer.text)
        if item.sources and answer.text and not refused:
            row |= self._grounding(item, answer.text, plain)
        return Judged(item, answer, row)

    def _grounding(self, item: Item, text: str, plain: str) -> Row:
        passages = passages_of(item)
        row: Row = {}
        told = [
            said
            for span in sentences(plain)
            if (said := self._support.supported(plain[span.start : span.end], item.language, passages)) is not None
        ]
        if told:
            row["grounded"] = _share(sum(told) / len(told))
        numbering = Numbering(range(1, len(passages) + 1))
        shown = numbering.push(text) + numbering.finish()
        numbers = numbering.cited
        if item.gold:
            right = len(set(numbers) & set(item.gold))
            row["cites_recall"] = _share(right / len(item.gold))
            if numbers:
                row["cites_precision"] = _share(right / len(numbers))
        if numbers:
            row["cites_supported"] = _share(1 - self._doubted(item, shown, numbers, passages))
        return row

    def _doubted(self, item: Item, shown: str, numbers: Sequence[int], passages: Sequence[Passage]) -> float:
        """Share of the citations, as they are shown, that the app would mark."""
        check = self._checks.begin(item.language, lambda number: passages[number - 1])
        return len(check.doubts(shown, numbers)) / sum(1 for _ in marks(shown, len(passages)))


def _worth(item: Item, answer: Answer) -> float:
    """The score; an item that cannot be answered is also done where the engine itself says so."""
    if answer.failed:
        return 0.0
    return 1.0 if not item.answerable and answer.unanswered else score(item, answer.text)


def _share(value: float) -> tuple[float, float]:
    return float(value), 1.0


def _topics(item: Item, plain: str) -> Row:
    for check in item.checks:
        if check.kind == "bears":
            new, old = (mentioned(plain, check.told[which]) for which in ("new", "old"))
            return {"new_topic": _share(new and not old), "old_topic": _share(old)}
    return {}


def _repetition(text: str) -> Row:
    said = tokens(normalise(text))
    pairs = list(pairwise(said))
    row: Row = {"words": _share(len(said)), "loops": _share(_loops(text))}
    if len(pairs) >= _FEWEST_PAIRS:
        row["distinct2"] = _share(len(set(pairs)) / len(pairs))
    return row


def _loops(text: str) -> bool:
    """Whether the app would have cut it, reading along by a word, or a few characters where none stand between."""
    detector = LoopDetector()
    return any(detector.push(piece) is not None for piece in _PIECE.findall(text))


def sums(judged: Sequence[Judged], name: str) -> Sums | None:
    """A figure of these items; None where none of them has it."""
    pairs = [one.row[name] for one in judged if name in one.row]
    if not pairs:
        return None
    above, below = np.array(pairs, float).T
    return Sums(above, below, MEASURES[name].exponential)


def paired(one: Sequence[Judged], other: Sequence[Judged], name: str) -> tuple[Sums, Sums] | None:
    """A figure of two models over the items for which both have it; None where there are none."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if name in a.row and name in b.row]
    first, second = sums([a for a, _ in both], name), sums([b for _, b in both], name)
    return None if first is None or second is None else (first, second)

"""Does a passage say what a sentence says that cites it? For the citations that a language model writes.

Speaks for it: a sentence of the passage with nearly the same vector, and the passage holding the sentence's words, the
rare ones above all, close together. Speaks against it: a number or a name that the passage does not hold, and a “not”
that stands only in one of the two. A logistic regression weighs that (`finetune.support`): one with vectors, for
languages that the encoder knows, one with words alone, and one for scripts whose terms are pairs of characters.

Not covered: whether the words are put together as the passage does (“A defeated B” and “B defeated A”), sums and other
conclusions, and sentences in another language than the passage: of these nothing is said.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from errors import ModelError
from retrieval.answering import base_terms
from retrieval.base import Passage
from retrieval.judge import ADAPTERS, SentenceJudge
from retrieval.text import CJK, STOPWORDS, stemmed_alike
from retrieval.text import language as language_of
from retrieval.vectors import units
from retrieval.word_likeness import content_words

WORDS = (
    "coverage",
    "coverage of the nearest sentences",
    "rarity of the rarest term missing",
    "terms",
    "pairs",
    "names missing",
    "a name missing",
    "numbers missing",
    "a number missing",
    "names missing in the nearest sentences",
    "numbers missing in the nearest sentences",
    "rarity of the rarest term missing in the nearest sentences",
    "negated in one of the two, by the cube of the coverage of the nearest",
)
VECTORS = ("cosine", "likeness", "rarity of the rarest word unlike all")
_WEIGHTS = "support.json"
_LONGEST = 1000
"""Characters of a sentence."""
_FEWEST = 2
"""Terms of a sentence that names nothing: “Sources:” says nothing."""
_COMMON = 0.5
"""Rarity below which the first word of a sentence is no name."""
_PAIRED = frozenset({"zh", "ja", "ko", "th", "lo", "my", "km"})
_NOUNS_CAPITALISED = frozenset({"de", "lb"})
_CJK = re.compile(f"[{CJK}]")
_NUMBER = re.compile(
    r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s+(?:hundred|thousand|million|billion|trillion)\b)?", re.ASCII
)
_DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_NAME = re.compile(r"[^\W\d_][\w'’.-]*")
_NOT = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|[a-z]+n['’]t)\b|[不没沒未无無非]", re.IGNORECASE
)
_MULTIPLES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_NUMERALS = """
zero one/first/once two/second/twice three/third four/fourth five/fifth six/sixth seven/seventh eight/eighth nine/ninth
ten/tenth eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty
"""
_HAN_NUMERALS = "零 一 二/两/兩 三 四 五 六 七 八 九 十"
_SPELLED = {
    word: str(number)
    for numerals in (_NUMERALS, _HAN_NUMERALS)
    for number, words in enumerate(numerals.split())
    for word in words.split("/")
}
_SPELLED_WORD = re.compile("[a-z]+|[零一二两兩三四五六七八九十]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence as the features see it."""

    terms: frozenset[str]
    negated: bool
    numbers: frozenset[str]


class Support:
    """Safe to call from several threads; reads its weights on first use."""

    def __init__(self, judge: SentenceJudge, weights: Path = ADAPTERS / _WEIGHTS) -> None:
        self._judge = judge
        self._file = weights
        self._weights: dict[str, list[float]] = {}
        self._least: dict[str, float] = {}
        self._lock = threading.Lock()

    def supported(self, statement: str, language: str, passages: Sequence[Passage]) -> bool | None:
        """Whether the passages together say what the statement says; None where that cannot be told.

        `language` is what the statement is expected to be in, as an ISO 639-1 code.
        """
        logit = self.weigh(statement, language, passages)
        return None if logit is None else logit >= 0

    def weigh(self, statement: str, language: str, passages: Sequence[Passage]) -> float | None:
        """What speaks for it: above 0 it is supported; None where that cannot be told. Raises `ModelError`."""
        statement = statement[:_LONGEST].strip()
        code = spoken(statement, language)
        if not passages or any((passage.language or code) != code for passage in passages):
            return None
        kind, features = self.kind(code, passages), self.features(statement, code, passages)
        if features is None:
            return None
        self._load()
        bias, *weights = self._weights[kind]
        return bias + float(np.dot(weights, features)) - self._least[kind]

    def kind(self, code: str, passages: Sequence[Passage]) -> str:
        """Which of the regressions weighs a statement in this language."""
        known = self._judge.knows(code) and all(self._judge.knows(p.language or code) for p in passages)
        return "vectors" if known else "pairs" if code in _PAIRED else "words"

    def features(self, statement: str, code: str, passages: Sequence[Passage]) -> tuple[float, ...] | None:
        """`WORDS`, and behind them `VECTORS` where they are known; None where the statement says nothing."""
        asked = self._judge.read(statement, code)
        stemmer = stemmed_alike(code)
        order = base_terms(statement, stemmer)
        total = sum(asked.terms.values())
        if total <= 0 or not order:
            return None
        heads = [frozenset(base_terms(f"{p.title}\n{p.section}", stemmer)) for p in passages]
        read = [list(_sentences(passage, stemmer)) for passage in passages]
        near = [
            (_together(pair) | head, pair)
            for head, found in zip(heads, read, strict=True)
            for pair in (pairwise(found) if len(found) > 1 else [tuple(found)])
        ]
        held = frozenset[str]().union(*(terms for terms, _ in near))
        numbers = frozenset[str]().union(*(s.numbers for found in read for s in found))
        numbers |= frozenset[str]().union(*(numbers_in(f"{p.title} {p.section}", held=True) for p in passages))

        def covered(terms: frozenset[str]) -> float:
            return sum(weight for term, weight in asked.terms.items() if term in terms) / total

        nearest, beside = max(near, key=lambda each: covered(each[0]))
        closest = max(beside, key=lambda sentence: covered(sentence.terms))
        first = set(base_terms(statement.split()[0], stemmer))
        names = {
            term
            for name in _names(statement, code)
            for term in base_terms(name, stemmer)
            if not term.isdigit() and not (term in first and asked.terms.get(term, 1.0) < _COMMON)
        }
        stated = numbers_in(statement)
        if len(asked.terms) < _FEWEST and not names and not stated:
            return None
        adjacent = set(pairwise(order))
        there = {pair for found in read for s in found for pair in adjacent if s.terms >= set(pair)}
        features = (
            covered(held),
            covered(nearest),
            max((weight for term, weight in asked.terms.items() if term not in held), default=0.0),
            min(len(asked.terms), 20) / 20,
            len(there) / max(len(adjacent), 1),
            _share(names - held, names),
            float(bool(names - held)),
            _share(stated - numbers, stated),
            float(bool(stated - numbers)),
            _share(names - nearest, names),
            _share(stated - _numbers_of(beside), stated),
            max((weight for term, weight in asked.terms.items() if term not in nearest), default=0.0),
            covered(nearest) ** 3 * (bool(_NOT.search(statement)) != closest.negated),
        )
        return features if self.kind(code, passages) != "vectors" else (*features, *self._nearness(statement, passages))

    def _nearness(self, statement: str, passages: Sequence[Passage]) -> tuple[float, float, float]:
        """`VECTORS` of a statement."""
        cosine = float(self._judge.cosines(statement, passages).max(initial=0.0))
        stated = content_words(statement)
        words = tuple(
            dict.fromkeys(word for p in passages for word in content_words(f"{p.title}\n{p.section}\n{p.text}"))
        )
        if not stated or not words:
            return cosine, 1.0, 0.0
        rarity = self._judge.read(statement, "en").content
        weights = np.array([rarity.get(word, 0.0) for word in stated], np.float32)
        best = self._judge.likeness.between(stated, words).max(axis=1)
        return cosine, float(weights @ best / max(float(weights.sum()), 1e-6)), float((weights * (1 - best)).max())

    def _load(self) -> None:
        with self._lock:
            if self._weights:
                return
            try:
                read = json.loads(self._file.read_text(encoding="utf-8"))
                self._least = {kind: float(each["least"]) for kind, each in read.items()}
                self._weights = {kind: [float(w) for w in each["weights"]] for kind, each in read.items()}
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ModelError(
                    f"The weights that check citations, {self._file.name}, cannot be read; reinstall Groundchat.",
                    zh=f"用于核对引用的权重 {self._file.name} 无法读取；请重新安装 Groundchat。",
                ) from error


def spoken(statement: str, expected: str) -> str:
    """The language of a statement: the expected one where its script is that one's, else what it looks like."""
    unspaced = bool(_CJK.search(statement))
    return expected if unspaced == (expected in _PAIRED) else language_of(statement)


def numbers_in(text: str, held: bool = False) -> frozenset[str]:
    """The numbers of a text, each in one form. `held`: also those in words, and the parts of large ones."""
    text = unicodedata.normalize("NFKC", text)
    found: set[str] = set()
    for match in _NUMBER.finditer(text):
        digits, _, multiple = match[0].partition(" ")
        value = float(digits.replace(",", "")) * _MULTIPLES.get(multiple.strip().lower(), 1.0)
        found.add(f"{value:.10g}")
    if held:
        found |= {f"{float(match[0].replace(',', '')):.10g}" for match in _DIGITS.finditer(text)}
        found |= {_SPELLED[word] for word in _SPELLED_WORD.findall(text.lower()) if word in _SPELLED}
    return frozenset(found)


def _names(statement: str, code: str) -> list[str]:
    """What is capitalised, where that marks names; in scripts without capitals the words in Latin letters."""
    if code in _NOUNS_CAPITALISED:
        return []
    words = [word for word in _NAME.findall(statement) if not _CJK.search(word)]
    named = [word for word in words if code in _PAIRED or word[0].isupper()]
    return [word for word in named if word.lower() not in STOPWORDS]


def _sentences(passage: Passage, stemmer: str) -> Iterator[_Sentence]:
    for span in units(passage.text):
        text = passage.text[span.start : span.end]
        yield _Sentence(frozenset(base_terms(text, stemmer)), bool(_NOT.search(text)), numbers_in(text, held=True))


def _together(sentences: Sequence[_Sentence]) -> frozenset[str]:
    return frozenset[str]().union(*(sentence.terms for sentence in sentences))


def _numbers_of(sentences: Sequence[_Sentence]) -> frozenset[str]:
    return frozenset[str]().union(*(sentence.numbers for sentence in sentences))


def _share(part: frozenset[str] | set[str], whole: frozenset[str] | set[str]) -> float:
    return len(part) / len(whole) if whole else 0.0

"""Candidates from every source in one order, and for each the probability that it answers the question.

A passage is as good as its best unit (a sentence with the title before it, `retrieval.vectors.units`):

    relevance = 0.3 · BM25 / best BM25 of its source + 0.7 · max over units (cosine + 0.4 · coverage)

where coverage is the share of the question's terms, weighted by inverse document frequency, that the unit and the
headings above it hold. Where the encoder does not know the question's or the passage's language the cosine is left
out: it would only add noise. nDCG@10 on SQuAD's development set: BM25 0.886, with 0.7 · cosine of whole passages 0.905,
of the best unit 0.918, and with its coverage 0.926.

Of the best ten, each sentence is then weighed by what it offers as an answer (`retrieval.judge`), and the likeliest
one's logit is added to the relevance of its passage.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.alike import Shingles, alike, shingles
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.split import Span
from retrieval.text import analyse, stemmed_alike
from retrieval.text import language as language_of
from retrieval.vectors import encoded_texts, units, vector_key

THRESHOLD = 0.06
"""A probability below which a passage is better not shown as an answer: it keeps 94 to 97 % of the questions that have
an answer and refuses 85 % of those whose whole article is missing (`assets/adapters/rerank.json`)."""
CALIBRATION = Path(__file__).parent.parent / "assets" / "adapters" / "rerank.json"
_PAIRED = frozenset({"zh", "ja", "ko", "th", "lo", "my", "km"})
_BM25_WEIGHT, _UNIT_WEIGHT, _COVERAGE_WEIGHT = 0.3, 0.7, 0.4
_ENCODED_AT_ONCE = 128
"""Units that a question may wait for, when their vectors are not stored yet: about 0.3 s on two cores."""
_JUDGED = 10
"""Passages whose sentences are weighed one by one."""
_ANSWER_WEIGHT = {True: 0.1, False: 0.05}
"""What a logit of the best of them is worth, with vectors and without. Measured on articles that the weighing was not
fitted to, nDCG@10 of the first ten: squad_dev_en 0.943 to 0.957, xquad_zh 0.976 to 0.982, drcd_zh_hant 0.981 to 0.984.
"""
_MOST_LOGIT = 8.0
_QUERY_CHARS, _QUERY_TERMS = 2000, 96
_PREPARED = 2048
"""Passages whose analysis is kept."""


class Collection(Protocol):
    """What the reranker asks of the index: how common a term is."""

    def frequencies(self, terms: Sequence[str]) -> tuple[list[int], int]: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a passage as an answer."""

    passage: Passage
    """Its `score` is the retriever's."""
    relevance: float
    """What the order is by; comparable within one question only."""
    bm25: float
    """Share of the best BM25 score in its source, 0..1."""
    coverage: float
    """Share of the question's terms, weighted by rarity, that the passage and its headings hold, 0..1."""
    units: tuple[Span, ...]
    """Spans of `passage.text`, each judged by itself."""
    unit_coverage: tuple[float, ...]
    unit_cosine: tuple[float, ...] | None
    """Cosine with the question; None where the encoder does not know the language, or has not come to it yet."""
    terms: int
    """Distinct terms of the question."""
    pairs: bool
    """Whether the passage is in a script whose terms are pairs of characters."""
    answer: float | None = None
    """Logit of the sentence in it that is likeliest to answer; None for all but the best few."""

    @property
    def best_unit(self) -> int:
        """Index of the unit that speaks loudest."""
        return int(np.argmax(_unit_scores(self.unit_coverage, self.unit_cosine)))

    @property
    def features(self) -> tuple[float, ...]:
        """What the probability is reckoned from; the cosine of the best unit comes last, if there is one."""
        best = self.best_unit
        lexical = (self.unit_coverage[best], self.coverage, math.log1p(self.terms))
        found = lexical if self.unit_cosine is None else (*lexical, self.unit_cosine[best])
        return found if self.answer is None else (*found, self.answer)

    @property
    def kind(self) -> str:
        """Which calibration its features are for."""
        kind = "cosine" if self.unit_cosine is not None else "pairs" if self.pairs else "words"
        return kind if self.answer is None else f"{kind}, judged"


class Reranker:
    """Orders candidates. Safe to call from several threads; loads the encoder on first use."""

    def __init__(
        self,
        judge: SentenceJudge,
        collection: Collection,
        calibration: Path = CALIBRATION,
        *,
        by_answers: bool = True,
    ) -> None:
        """Without `by_answers` no sentence is weighed: for fitting the networks that weigh them."""
        self._judge = judge
        self._vectors = judge.vectors
        self._collection = collection
        self._by_answers = by_answers
        self._calibration_file = calibration
        self._prepare = lru_cache(maxsize=_PREPARED)(_prepare)

    def rank(
        self,
        query: str,
        candidates: Iterable[Passage],
        language: str = "",
        k: int = 10,
        threshold: float = 0.0,
        exclude: frozenset[str] = frozenset(),
    ) -> list[Passage]:
        """The `k` best of `candidates`, near-duplicates left out; `score` is the probability that one answers.

        `exclude` holds ids of passages or documents; what is less probable than `threshold` is left out. What leads
        comes first, in the order of its source, however probable it is.
        """
        wanted = [c for c in candidates if c.id not in exclude and c.document not in exclude]
        kept: list[Passage] = []
        texts: list[Shingles] = []
        for evidence in _leading_first(wanted, self.weigh(query, wanted, language)):
            if len(kept) == k:
                break
            passage, probability = evidence.passage, self.probability(evidence)
            found = shingles(passage.text, passage.language)
            if (passage.leads or probability >= threshold) and not any(alike(found, other) for other in texts):
                kept.append(replace(passage, score=probability))
                texts.append(found)
        return kept

    def probability(self, evidence: Evidence) -> float:
        """That the passage answers the question: a logistic regression, see `finetune.rerank_calibration`."""
        bias, *weights = self._calibration[evidence.kind]
        return 1 / (1 + math.exp(-bias - sum(map(operator.mul, weights, evidence.features))))

    @cached_property
    def _calibration(self) -> dict[str, list[float]]:
        weights: dict[str, list[float]] = json.loads(self._calibration_file.read_text(encoding="utf-8"))["weights"]
        return weights

    def weigh(self, query: str, candidates: Sequence[Passage], language: str = "") -> list[Evidence]:
        """The evidence for every candidate, best first. `language` is the question's; detected where empty."""
        query = query[:_QUERY_CHARS]
        prepared = [self._prepare(c.title, c.section, c.text, c.language) for c in candidates]
        weights = {code: self._term_weights(query, code, prepared) for code in {p.stemmer for p in prepared}}
        coverage = [_share(weights[p.stemmer], p.terms) for p in prepared]
        unit_coverage = [tuple(_share(weights[p.stemmer], unit) for unit in p.units) for p in prepared]
        bm25 = _bm25_shares(candidates, coverage)
        lexical = [b + _COVERAGE_WEIGHT * max(u) for b, u in zip(bm25, unit_coverage, strict=True)]
        order = sorted(range(len(candidates)), key=lambda i: -lexical[i])
        cosines = self._cosines(query, language or language_of(query), candidates, prepared, order)
        known = [max(cosine) for cosine in cosines if cosine is not None]
        neutral = float(np.median(known)) if known else 0.0
        evidence = [
            Evidence(
                passage=candidates[i],
                relevance=_BM25_WEIGHT * bm25[i]
                + _UNIT_WEIGHT * float(_unit_scores(unit_coverage[i], cosines[i], neutral).max()),
                bm25=bm25[i],
                coverage=coverage[i],
                units=prepared[i].spans,
                unit_coverage=unit_coverage[i],
                unit_cosine=cosines[i],
                terms=len(weights[prepared[i].stemmer]),
                pairs=candidates[i].language in _PAIRED,
            )
            for i in order
        ]
        evidence.sort(key=lambda e: -e.relevance)
        if not self._by_answers:
            return evidence
        head = self._judged(query, language or language_of(query), evidence[:_JUDGED])
        return [*sorted(head, key=lambda e: -e.relevance), *evidence[_JUDGED:]]

    def _judged(self, query: str, language: str, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence with what the likeliest sentence of each passage adds to it."""
        knows = self._judge.knows(language)
        known = [knows and e.unit_cosine is not None and self._judge.knows(e.passage.language) for e in evidence]
        found: list[Evidence] = []
        for trusted in (True, False):
            mine = [e for e, k in zip(evidence, known, strict=True) if k is trusted]
            if not mine:
                continue
            cosines = np.array([c for e in mine for c in e.unit_cosine or ()], np.float32) if trusted else None
            judged = self._judge.judge(query, language, [e.passage for e in mine], cosines)
            best = [-_MOST_LOGIT] * len(mine)
            for sentence, logit in zip(judged.sentences, judged.logits.tolist(), strict=True):
                best[sentence.passage] = max(best[sentence.passage], min(logit, _MOST_LOGIT))
            found += [
                replace(e, answer=logit, relevance=e.relevance + _ANSWER_WEIGHT[trusted] * logit)
                for e, logit in zip(mine, best, strict=True)
            ]
        return found

    def _term_weights(self, query: str, stemmer: str, prepared: Sequence[_Prepared]) -> dict[str, float]:
        """The question's terms with their inverse document frequency, in the index or among the candidates."""
        terms = list(dict.fromkeys(analyse(query, stemmer)))[:_QUERY_TERMS]
        counts, size = self._collection.frequencies(terms)
        size = max(size, len(prepared))
        weights = {}
        for term, indexed in zip(terms, counts, strict=True):
            count = max(indexed, sum(term in p.terms for p in prepared))
            weights[term] = math.log(1 + (size - count + 0.5) / (count + 0.5))
        return weights

    def _cosines(
        self,
        query: str,
        language: str,
        candidates: Sequence[Passage],
        prepared: Sequence[_Prepared],
        order: Sequence[int],
    ) -> list[tuple[float, ...] | None]:
        """Cosines of the question with the units of each candidate; None where there is no use or no time for it."""
        cosines: list[tuple[float, ...] | None] = [None] * len(candidates)
        knows = self._vectors.encoder.knows
        useful = [i for i in order if knows(language) and knows(candidates[i].language)]
        if not useful:
            return cosines
        found = self._vectors.find(
            [candidates[i] for i in useful],
            [prepared[i].spans for i in useful],
            [prepared[i].key for i in useful],
            _ENCODED_AT_ONCE,
        )
        if all(vectors is None for vectors in found):
            return cosines
        question = self._vectors.encoder.question(query)
        for i, vectors in zip(useful, found, strict=True):
            if vectors is not None:
                cosines[i] = tuple((vectors @ question).tolist())
        return cosines


def _leading_first(candidates: Sequence[Passage], weighed: Sequence[Evidence]) -> list[Evidence]:
    places = {passage.id: place for place, passage in enumerate(candidates) if passage.leads}
    return sorted(weighed, key=lambda evidence: places.get(evidence.passage.id, len(candidates)))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A passage ready to be compared with questions."""

    stemmer: str
    key: int
    spans: tuple[Span, ...]
    units: tuple[frozenset[str], ...]
    """Terms of each unit and of the headings above it."""
    terms: frozenset[str]


def _prepare(title: str, section: str, text: str, language: str) -> _Prepared:
    spans = units(text)
    about = analyse(f"{title}\n{section}", language) if title or section else []
    terms = [frozenset((*about, *analyse(text[s.start : s.end], language))) for s in spans]
    passage = Passage(id="", text=text, title=title, source="", document="", section=section)
    return _Prepared(
        stemmer=stemmed_alike(language),
        key=vector_key(encoded_texts(passage, spans)),
        spans=tuple(spans),
        units=tuple(terms),
        terms=frozenset().union(*terms),
    )


def _share(weights: dict[str, float], terms: frozenset[str]) -> float:
    """Share of the weight whose terms are there."""
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in terms) / total if total else 0.0


def _bm25_shares(candidates: Sequence[Passage], coverage: Sequence[float]) -> list[float]:
    """BM25 scores on one scale for all sources: the best of a source is worth its best coverage.

    Sources score on scales of their own, and one that has nothing to say must not win with the best of it.
    """
    best: dict[str, float] = {}
    covered: dict[str, float] = {}
    for candidate, share in zip(candidates, coverage, strict=True):
        best[candidate.source] = max(best.get(candidate.source, 0.0), candidate.score)
        covered[candidate.source] = max(covered.get(candidate.source, 0.0), share)
    most = max(covered.values(), default=0.0)
    scale = {source: covered[source] / most / top if most and top else 0.0 for source, top in best.items()}
    return [max(0.0, candidate.score) * scale[candidate.source] for candidate in candidates]


def _unit_scores(
    coverage: Sequence[float], cosine: Sequence[float] | None, neutral: float = 0.0
) -> NDArray[np.float64]:
    """What each unit says for its passage; `neutral` stands in for the cosines of a passage that has none."""
    return np.asarray(cosine if cosine is not None else neutral) + _COVERAGE_WEIGHT * np.asarray(coverage)

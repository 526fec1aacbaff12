"""BM25 over the few hundred passages of a live look-up (Robertson & Zaragoza 2009, by rank-bm25)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from retrieval.base import Passage
from retrieval.text import analyse


def bm25(query: str, language: str, texts: Sequence[str]) -> list[float]:
    """The score of each text; all 0 where none holds a word. `language` (ISO 639-1) chooses the stemmer."""
    return _scores(query, language, [_terms(text, language) for text in texts])


def ranked(query: str, language: str, found: Sequence[Passage]) -> list[Passage]:
    """The passages by BM25 over text, heading and title, best first, with the score set.

    `language` (ISO 639-1) is the question's; a passage is analysed in its own, where it states one.
    """
    terms = [_terms(f"{p.title} {p.section} {p.text}", p.language or language) for p in found]
    scores = _scores(query, language, terms)
    scored = [replace(passage, score=score) for passage, score in zip(found, scores, strict=True)]
    return sorted(scored, key=lambda passage: -passage.score)


def _scores(query: str, language: str, terms: Sequence[tuple[str, ...]]) -> list[float]:
    if not any(terms):
        return [0.0] * len(terms)
    from rank_bm25 import BM25Okapi

    scorer = BM25Okapi(terms)
    # Lucene's idf. The package's own is negative for a term of most passages, which turns the order of a few around.
    holding = Counter(term for text in terms for term in set(text))
    scorer.idf = {term: math.log1p((len(terms) - n + 0.5) / (n + 0.5)) for term, n in holding.items()}
    return [float(score) for score in scorer.get_scores(analyse(query, language))]


@lru_cache(maxsize=4096)
def _terms(text: str, language: str) -> tuple[str, ...]:
    return tuple(analyse(text, language))

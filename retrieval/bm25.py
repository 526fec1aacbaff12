"""Passages that were fetched just now, ordered by BM25: a few hundred, for one question."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import lru_cache

from retrieval.base import Passage
from retrieval.text import analyse


def ranked(query: str, code: str, found: list[Passage]) -> list[Passage]:
    """The passages by BM25 over text, heading and title, best first, with the score set.

    `code` (ISO 639-1) is the question's language; a passage is analysed in its own, where it states one.
    """
    terms = [_terms(passage.title, passage.section, passage.text, passage.language or code) for passage in found]
    if not any(terms):
        return found
    from rank_bm25 import BM25Okapi

    bm25 = BM25Okapi(terms)
    # Lucene's idf. The package's own is negative for a term of most passages, which turns the order of a few around.
    holding = Counter(term for passage in terms for term in set(passage))
    bm25.idf = {term: math.log1p((len(found) - n + 0.5) / (n + 0.5)) for term, n in holding.items()}
    scores = bm25.get_scores(analyse(query, code))
    scored = [replace(passage, score=float(score)) for passage, score in zip(found, scores, strict=True)]
    return sorted(scored, key=lambda passage: -passage.score)


@lru_cache(maxsize=4096)
def _terms(title: str, section: str, text: str, code: str) -> tuple[str, ...]:
    return tuple(analyse(f"{title} {section} {text}", code))

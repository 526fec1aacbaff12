"""BM25 over the few hundred passages of a live look-up (Robertson & Zaragoza 2009, by rank-bm25)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from retrieval.text import analyse


def bm25(query: str, language: str, texts: Sequence[str]) -> list[float]:
    """The score of each text; all 0 where none holds a word. `language` chooses the stemmer."""
    terms = [analyse(text, language) for text in texts]
    if not any(terms):
        return [0.0] * len(texts)
    from rank_bm25 import BM25Okapi

    scorer = BM25Okapi(terms)
    # Lucene's idf. The package's own is negative for a term of most passages, which turns the order of a few around.
    holding = Counter(term for text in terms for term in set(text))
    scorer.idf = {term: math.log1p((len(texts) - n + 0.5) / (n + 0.5)) for term, n in holding.items()}
    return [float(score) for score in scorer.get_scores(analyse(query, language))]

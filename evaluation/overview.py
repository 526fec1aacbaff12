"""How good overviews are: `python -m evaluation.overview [--articles DIR]`.

DIR holds articles as the starter library does (`LANGUAGE/NAME.md`, each with a lead above its first heading). Two
questions are asked of every article:

- of the whole of it: `subject` is the share of overviews whose sentences name what the title names, `parts` the mean
  share of its parts that a sentence stands in, `sentences` and `words` are means;
- of the article without its lead, which is what its authors put in short: `rouge1` is the F1 of the terms that the
  overview of the rest and the lead have in common (Lin 2004, after the index's own analysis), `rouge1_recall` the
  share of the lead's terms. The same number of sentences from the beginning of the rest (`first`) and at random
  (`random`, mean of 20 draws) are there to compare with.

With `--json` the figures come as one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from retrieval.base import Document, Passage
from retrieval.documents import Fetched
from retrieval.library import LIBRARY, read_library
from retrieval.overview import Overview, overview
from retrieval.split import passages
from retrieval.standalone_sentences import candidates, size
from retrieval.text import analyse

_ARTICLES = Path(__file__).parent.parent / "assets" / "corpus"
_DRAWS, _SEED = 20, 0
Figures = dict[str, float]


def sentences(one: Overview) -> list[str]:
    """What an overview quotes."""
    return [one.passages[quote.passage].text[quote.span.start : quote.span.end] for quote in one.quotes]


def of_whole(article: Document) -> Figures:
    """Figures of the overview of a whole article."""
    one = overview(Fetched(tuple(passages(article))))
    said = sentences(one)
    named = set(analyse(article.title, article.language)) <= set(analyse(" ".join(said), article.language))
    quoted = {one.passages[quote.passage].section.split(" › ")[0] for quote in one.quotes}
    return {
        "subject": float(named),
        "parts": len(quoted & set(one.outline)) / max(len(one.outline), 1),
        "sentences": float(len(said)),
        "words": sum(map(size, said)),
    }


def of_rest(article: Document) -> Figures | None:
    """How much of an article's lead an overview of the rest holds; None for an article without a lead or a rest."""
    split = passages(article)
    lead = " ".join(passage.text for passage in split if not passage.section)
    rest = [replace(passage, id=f"rest#{i}") for i, passage in enumerate(p for p in split if p.section)]
    if not lead or len(rest) < 2:
        return None
    said = sentences(overview(Fetched(tuple(rest))))
    every = list(_all(rest))
    draw = random.Random(_SEED)
    f1, recall = rouge1(lead, said, article.language)
    drawn = [rouge1(lead, draw.sample(every, min(len(said), len(every))), article.language) for _ in range(_DRAWS)]
    first, first_recall = rouge1(lead, every[: len(said)], article.language)
    return {
        "rouge1": f1,
        "rouge1_recall": recall,
        "first": first,
        "first_recall": first_recall,
        "random": float(np.mean([each for each, _ in drawn])),
        "random_recall": float(np.mean([each for _, each in drawn])),
    }


def _all(rest: Sequence[Passage]) -> Iterator[str]:
    return (candidate.text for passage in rest for candidate in candidates(passage))


def rouge1(reference: str, said: Sequence[str], language: str) -> tuple[float, float]:
    """(F1, recall) of the terms in common."""
    wanted, given = Counter(analyse(reference, language)), Counter(analyse(" ".join(said), language))
    common = (wanted & given).total()
    if not common:
        return 0.0, 0.0
    recall, precision = common / wanted.total(), common / given.total()
    return 2 * recall * precision / (recall + precision), recall


def evaluate(articles: Sequence[Document]) -> dict[str, Figures]:
    """Mean figures by language."""
    found: dict[str, Figures] = {}
    for language in sorted({article.language for article in articles}):
        own = [article for article in articles if article.language == language]
        whole = [of_whole(article) for article in own]
        rest = [figures for figures in map(of_rest, own) if figures is not None]
        means = {name: float(np.mean([each[name] for each in group])) for group in (whole, rest) for name in group[0]}
        found[language] = {"articles": float(len(own)), **means}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.overview", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--articles", type=Path, default=_ARTICLES, help="folder of LANGUAGE/NAME.md (default: library)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    articles = [document for document in read_library(options.articles) if document.source == LIBRARY]
    if not articles:
        print(f"{options.articles} holds no articles; give a folder of LANGUAGE/NAME.md.", file=sys.stderr)
        return 1
    found = evaluate(articles)
    for language, figures in found.items():
        print(language)
        for name, value in figures.items():
            print(f"  {name:<16}{value:>8.3f}")
    if options.json:
        print(
            json.dumps({language: {name: round(v, 4) for name, v in each.items()} for language, each in found.items()})
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

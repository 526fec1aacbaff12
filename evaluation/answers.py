"""How well the app answers: `python -m evaluation.answers --dataset DIR --model reader|ID [--remove passage|article]`.

DIR is in BEIR layout (see `evaluation.dataset`), its queries carry `answers`. Every question goes the app's own way:
searched in an index of the corpus, reranked, and answered by the model. `contains` is the share whose answer holds a
gold answer, `cited_gold` the share that cites a relevant text, `words` the mean length of what was answered, citations
included. `--remove` hides each question's relevant texts (`passage`), or every text with the title of one of them
(`article`), from the search, and asks only the questions whose answers then stand nowhere in the corpus: all of them
should be refused. `--limit` takes questions evenly from the whole set.

OUT, one line a question: `{"_id", "answer", "cited": [text ids], "refused": bool, "ms"}`. With `--json` the figures
come as one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from chat.base import ChatModel, ChatRequest, Finish, Message, Role, Sampling
from chat.citations import cited, marks
from chat.excerpt import words
from encoder import SentenceEncoder
from errors import AppError
from evaluation.dataset import Dataset, Question, held_out, load_dataset
from evaluation.retrieval import indexed
from evaluation.squad import contains, exact, f1, normalise
from retrieval.base import Passage, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.rerank import Reranker
from retrieval.text import language
from retrieval.unit_vectors import UnitVectors

REMOVALS = ("passage", "article")
READER = "reader"
_SOURCE = "corpus"
"""The source that `evaluation.retrieval.indexed` puts the texts in."""
_CANDIDATES, _PASSAGES = 100, 6
"""Passages that the app reranks, and that it gives to the model."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to one question."""

    text: str
    """Without citations."""
    cited: tuple[str, ...]
    """Ids of texts."""
    refused: bool
    words: float
    ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """Shares and means over `n` questions; `p50_ms` from the question's text to the whole answer."""

    n: int
    contains: float
    exact: float
    f1: float
    cited_gold: float
    refused: float
    words: float
    p50_ms: float


_Asked = tuple[Question, frozenset[str]]
"""A question, and the ids of the texts that it may not find."""


class Corpus:
    """The texts of a data set, searched as in the app."""

    def __init__(self, dataset: Dataset, index: DocumentIndex, reranker: Reranker) -> None:
        self.dataset = dataset
        self._index = index
        self._reranker = reranker
        self._texts = {item.id: normalise(f"{item.title}\n{item.text}") for item in dataset.corpus}
        self._titles = {item.id: item.title for item in dataset.corpus}

    def search(
        self, query: str, code: str, exclude: frozenset[str] = frozenset(), least: float = 0.0
    ) -> tuple[Passage, ...]:
        """The passages that a chat model is given; none that answers with a probability below `least`."""
        request = SearchRequest(query, k=_CANDIDATES, language=code, exclude=exclude)
        return tuple(self._reranker.rank(query, self._index.search(request, _SOURCE), code, _PASSAGES, least))

    def hidden(self, question: Question, remove: str) -> frozenset[str]:
        """Ids of the texts that a removal hides."""
        relevant = self.dataset.relevant[question.id]
        if remove == "passage":
            return frozenset(relevant)
        titles = {self._titles[item] for item in relevant if item in self._titles}
        return frozenset(relevant) | {item for item, title in self._titles.items() if title in titles}

    def unanswerable(self, question: Question, hidden: frozenset[str]) -> bool:
        """Whether none of the question's answers stands in a text that is not hidden."""
        gold = [normalise(answer) for answer in question.answers]
        return not any(contains(text, gold) for item, text in self._texts.items() if item not in hidden)


def ask(corpus: Corpus, model: ChatModel, question: Question, exclude: frozenset[str] = frozenset()) -> Answer:
    """One question through search, reranking and the model."""
    began = time.perf_counter()
    code = language(question.text)
    passages = corpus.search(question.text, code, exclude, model.least)
    request = ChatRequest(
        messages=(Message(Role.USER, question.text),),
        passages=passages,
        query=question.text,
        language=code,
        searched=(corpus.dataset.name,),
        sampling=Sampling(temperature=0),
    )
    chunks = list(model.stream(request))
    ms = 1000 * (time.perf_counter() - began)
    text = "".join(chunk.text for chunk in chunks)
    numbers = cited(text, len(passages))
    return Answer(
        text=_without_citations(text, len(passages)),
        cited=tuple(dict.fromkeys(passages[n - 1].document for n in numbers)),
        refused=chunks[-1].finish is Finish.UNANSWERED,
        words=words(text),
        ms=ms,
    )


def _without_citations(text: str, count: int) -> str:
    pieces, at = [], 0
    for mark in marks(text, count):
        pieces.append(text[at : mark.start].rstrip())
        at = mark.end
    return "".join([*pieces, text[at:]])


def evaluate(
    corpus: Corpus, model: ChatModel, limit: int | None = None, remove: str | None = None, out: TextIO | None = None
) -> Result:
    """Ask the questions, or an even sample of them; write the answers to `out` where one is given."""
    asked = [(question, corpus.hidden(question, remove) if remove else frozenset()) for question in _answerable(corpus)]
    if remove:
        asked = [(question, hidden) for question, hidden in asked if corpus.unanswerable(question, hidden)]
    asked = _sample(asked, limit)
    if not asked:
        return Result(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ask(corpus, model, asked[0][0])  # the first one loads what is loaded on first use
    answers, figures = [], []
    for question, hidden in _with_progress(asked):
        answer = ask(corpus, model, question, hidden)
        answers.append(answer)
        figures.append(_figures(answer, question, corpus.dataset.relevant[question.id]))
        if out is not None:
            out.write(_line(question, answer))
    means = dict(zip(("contains", "exact", "f1", "cited_gold"), np.mean(figures, axis=0).tolist(), strict=True))
    return Result(
        n=len(answers),
        **means,
        refused=float(np.mean([answer.refused for answer in answers])),
        words=float(np.mean([answer.words for answer in answers])),
        p50_ms=float(np.median([answer.ms for answer in answers])),
    )


def _answerable(corpus: Corpus) -> list[Question]:
    return [question for question in corpus.dataset.questions if question.answers]


def _sample(items: list[_Asked], limit: int | None) -> list[_Asked]:
    """`limit` of the items at even distances, the same ones every time."""
    if limit is None or limit >= len(items):
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def _figures(answer: Answer, question: Question, relevant: dict[str, int]) -> tuple[float, float, float, float]:
    if answer.refused:
        return 0.0, 0.0, 0.0, 0.0
    text, gold = normalise(answer.text), [normalise(string) for string in question.answers]
    return (
        float(contains(text, gold)),
        float(exact(text, gold)),
        f1(text, gold),
        float(any(item in relevant for item in answer.cited)),
    )


def _line(question: Question, answer: Answer) -> str:
    fields = {
        "_id": question.id,
        "answer": answer.text,
        "cited": list(answer.cited),
        "refused": answer.refused,
        "ms": round(answer.ms, 1),
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _with_progress(asked: list[_Asked]) -> Iterator[_Asked]:
    """The items; says every few seconds how far it is, where a person is watching."""
    last = time.monotonic()
    for number, item in enumerate(asked, 1):
        yield item
        if sys.stderr.isatty() and (time.monotonic() - last > 2 or number == len(asked)):
            last = time.monotonic()
            print(f"\r{number:,} of {len(asked):,} questions", end="", file=sys.stderr, flush=True)


def _model(name: str, judge: SentenceJudge) -> ChatModel:
    """The reader, or a chat model by its hub id or folder; loaded."""
    if name == READER:
        from chat.reader import Reader

        reader = Reader(judge)
        reader.load()
        return reader
    from chat.local import LocalModel

    model = LocalModel(name)
    model.load()
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.answers", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder in BEIR layout, with answers")
    parser.add_argument("--model", default=READER, help="`reader`, a hub id or a local folder (default reader)")
    parser.add_argument("--limit", type=int, help="ask this many questions, taken evenly")
    parser.add_argument("--remove", choices=REMOVALS, help="hide each question's passages, or its whole article")
    parser.add_argument("--out", type=Path, help="write the answers here, one JSON object a line")
    parser.add_argument("--held-out", action="store_true", help="ask about articles only that nothing was fitted to")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit is {options.limit}; give a whole number above 0")
    try:
        dataset = load_dataset(options.dataset)
        dataset = held_out(dataset) if options.held_out else dataset
        encoder = SentenceEncoder()
        with indexed(dataset, encoder) as (index, _):
            judge = SentenceJudge(UnitVectors(encoder, index))
            model = _model(options.model, judge)
            corpus = Corpus(dataset, index, Reranker(judge, index))
            with options.out.open("w", encoding="utf-8") if options.out else nullcontext() as out:
                result = evaluate(corpus, model, options.limit, options.remove, out)
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    figures = {name: round(value, 4) for name, value in asdict(result).items()}
    print(f"{dataset.name}: {model.name}" + (f", {options.remove} removed" if options.remove else ""))
    for name, value in figures.items():
        print(f"  {name:<12}{value:>10,}")
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

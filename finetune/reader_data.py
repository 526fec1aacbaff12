"""Examples for the reader's sentence selector: questions, what the app finds for them, and which sentences answer.

Every question is searched three times: as it is; with its passage hidden; with its whole article hidden. The hidden
ones count as unanswerable where the answers then stand nowhere in the corpus. Articles are halved by title: one half
is for fitting, the other for measuring. Questions are added once more the way people type them: those with capitals in
lower case and without a question mark, every second one with some of its words hidden as if it used others; Chinese
ones cut down to what their text holds and the question word.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chat.excerpt import words
from errors import InputError
from evaluation.answers import Corpus
from evaluation.dataset import Dataset, parts
from evaluation.squad import contains, normalise
from retrieval.answering import Matrix, Question, describe, read_question, sentences
from retrieval.judge import SentenceJudge
from retrieval.rarity import Rarity
from retrieval.text import CJK, analyse, language
from retrieval.vectors import encoded_texts, units

KINDS = ("all", "passage", "article")
"""What was hidden: nothing, the question's passage, its article."""
_FEWEST_TEXTS = 6
_FEWEST_CJK_TEXTS = 4
"""Texts that must hold a term before it counts as common; there is less Chinese."""


@dataclass(frozen=True, slots=True)
class Example:
    """The sentences found for one question."""

    part: int
    """Quarter of the articles that its own is in, 0..3."""
    kind: str
    """One of `KINDS`."""
    known: bool
    """Whether the encoder knows the language: otherwise the cosines are 0."""
    lower: bool
    """Whether the question was put in lower case, or cut short."""
    question: str
    """As it was asked."""
    answers: tuple[str, ...]
    texts: tuple[str, ...]
    """The sentences as they are encoded, with their headings."""
    said: tuple[str, ...]
    """The sentences themselves: the ends of `texts`."""
    owner: NDArray[np.int_]
    """Index of the passage that each is in."""
    features: Matrix
    labels: NDArray[np.bool_]
    """Whether a sentence of a relevant text holds an answer."""
    holds: NDArray[np.bool_]
    """Whether a sentence of any text does."""
    words: NDArray[np.float32]
    """Length of each sentence."""

    @property
    def half(self) -> int:
        """0: for fitting, 1: for measuring. Of the latter, `finetune.reranker` fits to one part, and measures on 3."""
        return self.part % 2


def examples(
    corpus: Corpus, judge: SentenceJudge, rarity: Rarity, kinds: Sequence[Sequence[str]] = (KINDS,) * 4
) -> Iterator[Example]:
    """The examples of a data set. `judge` gives the cosines, as it does in the app.

    `kinds`: for each part what is hidden; where an article never is, questions are not asked as typed either.
    """
    part = parts(corpus.dataset)
    items = {item.id: item for item in corpus.dataset.corpus}
    for number, question in enumerate(corpus.dataset.questions):
        relevant = corpus.dataset.relevant[question.id]
        code = language(question.text)
        known = judge.vectors.encoder.knows(code)
        about = "\n".join(f"{items[item].title}\n{items[item].text}" for item in relevant)
        own_part = min(part[item] for item in relevant)
        typed = question.text.lower().rstrip("?") if known else shortened(question.text, about)
        for kind in kinds[own_part]:
            hidden = frozenset[str]() if kind == "all" else corpus.hidden(question, kind)
            if hidden and not corpus.unanswerable(question, hidden):
                continue
            passages = corpus.search(question.text, code, hidden)
            if not passages:
                continue
            cosines = judge.cosines(question.text, passages) if known else None
            likeness = judge.likeness if known else None
            found = sentences(passages)
            gold = [normalise(answer) for answer in question.answers]
            holds = np.array([contains(normalise(sentence.quotable), gold) for sentence in found])
            own = np.array([passages[sentence.passage].document in relevant for sentence in found])
            spans = [units(passage.text) for passage in passages]
            for text in dict.fromkeys((question.text, typed) if KINDS[-1] in kinds[own_part] else (question.text,)):
                asked = read_question(text, code, rarity)
                if known and number % 2 and text != question.text:
                    asked = in_other_words(asked, code, random.Random(number))
                yield Example(
                    part=own_part,
                    kind=kind,
                    known=known,
                    lower=text != question.text,
                    question=text,
                    answers=question.answers,
                    texts=tuple(t for each in zip(passages, spans, strict=True) for t in encoded_texts(*each)),
                    said=tuple(sentence.text for sentence in found),
                    owner=np.array([sentence.passage for sentence in found]),
                    features=describe(asked, passages, found, cosines, likeness),
                    labels=holds & own if kind == "all" else np.zeros(len(found), dtype=bool),
                    holds=holds,
                    words=np.array([words(sentence.quotable) for sentence in found], dtype=np.float32),
                )


def in_other_words(question: Question, code: str, chance: random.Random) -> Question:
    """The question as if some of its words were others that its text does not hold; its vector stays what it is."""
    hidden = {word for word in question.content if chance.random() < _OTHER_WORDS}
    gone = {term for word in hidden for term in analyse(word, code)}
    return dataclasses.replace(
        question,
        terms={f"\0{term}" if term in gone else term: rarity for term, rarity in question.terms.items()},
        names=question.names - gone,
        pairs=frozenset(pair for pair in question.pairs if not gone & set(pair)),
        content={word[::-1] if word in hidden else word: rarity for word, rarity in question.content.items()},
    )


_OTHER_WORDS = 0.3
_SEGMENT = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
_ASKING = re.compile(
    "为什么|為什麼|为何|為何|什么时候|什麼時候|什么|什麼|多少|多[长長高大远遠久]|怎么|怎麼|怎样|怎樣|如何|何时|何時|哪[里裡裏年个個位些国國]?"
    "|[谁誰]|[几幾][个個年种種]?"
)


def shortened(question: str, text: str) -> str:
    """A question without spaces cut down to the stretches that its text holds too, and what it asks for."""
    if not _SEGMENT.search(question) or question.isascii():
        return question.lower().rstrip("?")
    asked = _ASKING.search(question)
    parts = [part for part in _ASKING.split(question) if part]
    kept = "".join(_shared(part, text) for part in parts)
    return f"{kept}{asked[0] if asked else ''}" if kept else question


def _shared(part: str, text: str) -> str:
    """The runs of two and more characters of a part that stand in the text, longest first, at most `_RUNS` of them."""
    runs, start = [], 0
    while start < len(part):
        end = start
        while end < len(part) and part[start : end + 1] in text:
            end += 1
        if end - start >= _SHORTEST_RUN:
            runs.append((start, part[start:end]))
        start = max(end, start + 1)
    longest = sorted(runs, key=lambda run: -len(run[1]))[:_RUNS]
    return "".join(run for _, run in sorted(longest))


_SHORTEST_RUN, _RUNS = 2, 2


def count_terms(background: Iterable[str], datasets: Sequence[Dataset]) -> dict[str, float]:
    """Share of ordinary texts that hold each common term.

    English is counted in `background`. Data sets in other languages lend the texts of their first halves, as there is
    no background for them.
    """
    english = list(background)
    shares = _shares(english, "en", _FEWEST_TEXTS)
    other = [
        item.text
        for dataset in datasets
        for item, part in ((item, parts(dataset)[item.id]) for item in dataset.corpus)
        if part % 2 == 0 and language(item.text) != "en"
    ]
    return _shares(other, "zh", _FEWEST_CJK_TEXTS) | shares


def _shares(texts: Sequence[str], code: str, fewest: int) -> dict[str, float]:
    counts = Counter(term for text in texts for term in set(analyse(text, code, stopwords=True)))
    return {term: count / len(texts) for term, count in counts.items() if count >= fewest}


def read_background(path: Path) -> Iterator[str]:
    """The texts of a JSON-lines file, plain or `.gz`: its `text`, or the first of its `messages`."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                yield str(row["text"] if "text" in row else row["messages"][0]["content"])
            except (ValueError, KeyError, IndexError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}, has neither “text” nor “messages”; mend the line.",
                    zh=f"{path} 第 {number} 行既没有“text”也没有“messages”；请改正该行。",
                ) from error

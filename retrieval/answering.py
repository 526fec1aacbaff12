"""Which sentence answers? Every sentence of the passages is described by numbers that a small network weighs.

The numbers compare a sentence with the question (how near their vectors are, which of the question's terms it holds,
whether it offers the kind of thing that was asked for) and with its rivals. All of them are scale-free: they do not
depend on how many documents there are, or on how a retriever scores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval.base import Passage
from retrieval.expected import Clues, Expected, clues, defined, expected
from retrieval.rarity import Rarity
from retrieval.split import Span
from retrieval.text import analyse, stemmed_alike
from retrieval.vectors import units
from retrieval.word_likeness import WordLikeness, content_words

Matrix = NDArray[np.float32]

COSINES = (
    "cosine",
    "cosine − best",
    "cosine of the sentence before",
    "cosine of the sentence after",
    "mean cosine in the passage",
    "mean cosine in the passage − best",
)
LIKENESS = (
    "likeness",
    "likeness − best",
    "likeness with context",
    "likeness with context − best",
    "likeness of the passage",
    "rarity of the rarest term unlike all in the passage",
    "rarity of the rarest term unlike all in the context",
)
VECTORS = (*COSINES, *LIKENESS)
"""Left out where the encoder does not know the language."""
WORDS = (
    "coverage",
    "coverage − best",
    "coverage with context",
    "coverage with context − best",
    "coverage of the passage",
    "coverage of the passage − best",
    "rarity of the rarest term missing in the passage",
    "rarity of the rarest term missing in the context",
    "names in the sentence",
    "names in the context",
    "names in the passage",
    "pairs",
    "pairs − best",
    "new terms",
    "length",
    "very short",
    "a question",
    "first in the passage",
    "place in the passage",
    "terms in the question",
    "rarity of the question",
    "names in the question",
)
CLUES = ("new names", "a new name", "a new number", "a new year", "date", "reason", "place", "measure", "agent", "fits")
FEATURES = (*VECTORS, *WORDS, *CLUES, *(f"asks for {kind}" for kind in Expected))
CLOSE = ("weighed", "weighed − best", "read", "read − best", "answer token", "answer token − best")
"""What a second, closer look adds: the first one's logit, and those of `retrieval.cross_encoder`."""


_VERBS = """
be was were been|become became|begin began begun|bring brought|build built|buy bought|catch caught|choose chose chosen|
come came|do did done|draw drew drawn|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|fight fought|
find found|fly flew flown|freez froze frozen|get got gotten|give gave given|go went gone|grow grew grown|hold held|
keep kept|know knew known|lead led|leav left|lose lost|make made|mean meant|meet met|pay paid|ride rode ridden|
rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent|shoot shot|sing sang sung|sink sank sunk|
speak spoke spoken|spend spent|stand stood|steal stole stolen|strike struck|swim swam swum|take took taken|teach taught|
tell told|think thought|throw threw thrown|wear wore worn|win won|write wrote written
"""
_IRREGULAR = {form: verb for verb, *forms in map(str.split, _VERBS.split("|")) for form in forms}
"""Stems of irregular past forms, and their verb: “sank” answers “sink”."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """`passages[passage].text[span.start : span.end]`."""

    passage: int
    span: Span
    text: str

    @property
    def quotable(self) -> str:
        """What of it may be quoted: its answer where it is a question with one, nothing where it is a bare question."""
        return quotable(self.text)


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the features see it."""

    text: str
    terms: dict[str, float]
    """Its terms and how rare each is."""
    names: frozenset[str]
    """The terms among them that are capitalised or numbers."""
    pairs: frozenset[tuple[str, str]]
    words: frozenset[str]
    content: dict[str, float]
    """Its words with a topic, as written, and how rare each is."""
    kind: Expected


_ASKED = re.compile(r"[^\n]{0,400}[?？][ \t]*\n[ \t]*(?:[-*+•>][ \t]+)?(?=\S)")
_LABEL = re.compile(r"(?:A|Answer|Ans|答|答案|回答)[ \t]*[:：][ \t]*(?=\S)", re.IGNORECASE)
_TITLE_LINE = re.compile(r"(?:[^\s.!?:;,]+[ \t]+){0,2}[^\s.!?:;,]+[ \t]*\n[ \t]*(?=\S)")


@lru_cache(maxsize=16384)
def quotable(text: str) -> str:
    """A unit without the question or the short heading that stands on the line before; empty if it asks itself."""
    asked = _ASKED.match(text) or _TITLE_LINE.match(text)
    text = text[asked.end() :] if asked else text
    label = _LABEL.match(text)
    text = text[label.end() :] if label else text
    return "" if text.rstrip().endswith(("?", "？")) else text


def sentences(passages: Sequence[Passage]) -> list[Sentence]:
    """The sentences that can be quoted: those that have a vector of their own in the index."""
    return [
        Sentence(i, span, passage.text[span.start : span.end])
        for i, passage in enumerate(passages)
        for span in _units(passage.text)
    ]


def read_question(text: str, language: str, rarity: Rarity) -> Question:
    """What the features need to know about a question."""
    terms = base_terms(text, stemmed_alike(language))
    words = text.split()
    marked = " ".join(
        word
        for i, word in enumerate(words)
        if (i and word[:1].isupper()) or (word.isascii() and any(char.isdigit() for char in word))
    )
    content = content_words(text)
    names = frozenset(base_terms(marked, stemmed_alike(language))) if marked.strip() else frozenset()
    return Question(
        text=text,
        terms={term: rarity.of(term) for term in dict.fromkeys(terms)},
        names=names & frozenset(terms),
        pairs=frozenset(pairwise(terms)),
        words=frozenset(word.strip("?!.,:;\"'“”()").lower() for word in words),
        content={word: max(map(rarity.of, base_terms(word, stemmed_alike(language))), default=0.0) for word in content},
        kind=expected(text),
    )


def describe(
    question: Question,
    passages: Sequence[Passage],
    found: Sequence[Sentence],
    cosines: NDArray[np.float32] | None,
    likeness: WordLikeness | None,
) -> Matrix:
    """`FEATURES` of every sentence, shape (len(found), len(FEATURES)); without vectors their columns are 0."""
    rows = np.zeros((len(found), len(FEATURES)), dtype=np.float32)
    if not found:
        return rows
    owner = np.array([sentence.passage for sentence in found])
    if cosines is not None:
        rows[:, : len(COSINES)] = _cosine_features(cosines, owner)
    if likeness is not None:
        rows[:, len(COSINES) : len(VECTORS)] = _likeness_features(question, passages, found, likeness)
    lexical = np.array(_word_features(question, passages, found), dtype=np.float32)
    rows[:, len(VECTORS) :] = lexical
    for name in _RIVALLED:
        column = FEATURES.index(name)
        rows[:, column + 1] = rows[:, column] - rows[:, column].max()
    return rows


_RIVALLED = (
    "likeness",
    "likeness with context",
    "coverage",
    "coverage with context",
    "coverage of the passage",
    "pairs",
)
"""Features that are followed by their distance from the best."""


def _likeness_features(
    question: Question, passages: Sequence[Passage], found: Sequence[Sentence], likeness: WordLikeness
) -> Matrix:
    """`LIKENESS` of every sentence: coverage where a word that means nearly the same counts nearly as much."""
    rows = np.zeros((len(found), len(LIKENESS)), dtype=np.float32)
    asked = tuple(question.content)
    rarity = np.array([question.content[word] for word in asked], dtype=np.float32)
    if not asked or not rarity.any():
        return rows
    share, rarest = rarity / rarity.sum(), rarity.max()
    heads = [content_words(f"{passage.title}\n{passage.section}") for passage in passages]
    texts = [content_words(sentence.text) for sentence in found]
    every = tuple(dict.fromkeys(word for words in (*heads, *texts) for word in words))
    column = {word: i for i, word in enumerate(every)}
    like = likeness.between(asked, every)

    def best(words: Sequence[str]) -> NDArray[np.float32]:
        chosen = [column[word] for word in words]
        nearest: NDArray[np.float32] = like[:, chosen].max(axis=1) if chosen else np.zeros(len(asked), np.float32)
        return nearest

    own = [best(words) for words in texts]
    titles = [best(words) for words in heads]
    whole = list(titles)
    for sentence, nearest in zip(found, own, strict=True):
        whole[sentence.passage] = np.maximum(whole[sentence.passage], nearest)
    for i, (sentence, nearest) in enumerate(zip(found, own, strict=True)):
        context = np.maximum(nearest, titles[sentence.passage])
        if i and found[i - 1].passage == sentence.passage:
            context = np.maximum(context, own[i - 1])
        rows[i] = (
            share @ nearest,
            0,
            share @ context,
            0,
            share @ whole[sentence.passage],
            (rarity * (1 - whole[sentence.passage])).max() / rarest,
            (rarity * (1 - context)).max() / rarest,
        )
    return rows


def _cosine_features(cosines: NDArray[np.float32], owner: NDArray[np.int_]) -> Matrix:
    before, after = np.zeros_like(cosines), np.zeros_like(cosines)
    same = owner[1:] == owner[:-1]
    before[1:] = np.where(same, cosines[:-1], 0)
    after[:-1] = np.where(same, cosines[1:], 0)
    mean = (np.bincount(owner, cosines) / np.maximum(np.bincount(owner), 1))[owner]
    return np.stack([cosines, cosines - cosines.max(), before, after, mean, mean - mean.max()], axis=1)


def _word_features(question: Question, passages: Sequence[Passage], found: Sequence[Sentence]) -> list[list[float]]:
    rows = []
    kinds = [float(question.kind is kind) for kind in Expected]
    total = sum(question.terms.values()) or 1.0
    rarest = max(question.terms.values(), default=0.0) or 1.0
    about_question = [len(question.terms) / 10, total / max(len(question.terms), 1), float(bool(question.names))]

    def covered(terms: frozenset[str]) -> float:
        return sum(weight for term, weight in question.terms.items() if term in terms) / total

    def missing(terms: frozenset[str]) -> float:
        return max((weight for term, weight in question.terms.items() if term not in terms), default=0.0) / rarest

    def named(terms: frozenset[str]) -> float:
        return len(question.names & terms) / len(question.names) if question.names else 1.0

    passage, place = -1, 0
    headings = before = whole = frozenset[str]()
    for sentence in found:
        if sentence.passage != passage:
            passage, place = sentence.passage, 0
            shown = passages[passage]
            headings, whole = _passage_terms(shown.title, shown.section, shown.text, stemmed_alike(shown.language))
            before = frozenset()
        terms, pairs = _sentence_terms(sentence.text, stemmed_alike(passages[passage].language))
        context = terms | headings | before
        offered = clues(sentence.quotable)
        rows.append(
            [
                covered(terms),
                0.0,
                covered(context),
                0.0,
                covered(whole),
                0.0,
                missing(whole),
                missing(context),
                named(terms),
                named(context),
                named(whole),
                len(question.pairs & pairs) / max(len(question.pairs), 1),
                0.0,
                len(terms - question.terms.keys()) / 30,
                math.log1p(len(sentence.quotable)) / 6,
                float(len(terms) < 3),
                float(not sentence.quotable),
                float(place == 0),
                min(place, 16) / 8,
                *about_question,
                *_clue_features(question, offered),
                *kinds,
            ]
        )
        before, place = terms, place + 1
    return rows


def opening(question: Question, passages: Sequence[Passage], found: Sequence[Sentence]) -> int | None:
    """Index of the sentence that says what something is, where that is asked: the first of the article on it."""
    wanted = defined(question.text)
    if not wanted:
        return None
    for i, sentence in enumerate(found):
        passage = passages[sentence.passage]
        if not passage.section and passage.id.endswith("#0") and (i == 0 or found[i - 1].passage != sentence.passage):
            stemmer = stemmed_alike(passage.language)
            if passage.title and set(base_terms(wanted, stemmer)) == set(base_terms(passage.title, stemmer)):
                return i
    return None


def merit(question: Question, part: str, language: str) -> float:
    """How much a part of a sentence holds of what answers: the question's terms and the kind of thing asked for."""
    terms, _ = _sentence_terms(part, stemmed_alike(language))
    return sum(weight for term, weight in question.terms.items() if term in terms) + float(
        _fits(question, clues(part))[question.kind]
    )


def _fits(question: Question, offered: Clues) -> dict[Expected, bool]:
    """Whether a sentence offers something of each kind that the question does not hold itself."""
    name = bool(offered.capitalised - question.words) or (bool(offered.first) and offered.first not in question.words)
    return {
        Expected.PERSON: name,
        Expected.REASON: offered.reason,
        Expected.NUMBER: bool(offered.numbers - question.words),
        Expected.TIME: offered.date or bool(offered.years - question.words),
        Expected.PLACE: offered.place and name,
        Expected.MANNER: True,
        Expected.THING: name,
    }


def _clue_features(question: Question, offered: Clues) -> list[float]:
    new_names = len(offered.capitalised - question.words)
    return [
        min(new_names, 3) / 3,
        float(new_names > 0),
        float(bool(offered.numbers - question.words)),
        float(bool(offered.years - question.words)),
        float(offered.date),
        float(offered.reason),
        float(offered.place),
        float(offered.measure),
        float(offered.agent),
        float(_fits(question, offered)[question.kind]),
    ]


def base_terms(text: str, stemmer: str) -> list[str]:
    """Index terms, with irregular English verbs in their base form."""
    terms = analyse(text, stemmer)
    return [_IRREGULAR.get(term, term) for term in terms] if stemmer == "en" else terms


@lru_cache(maxsize=4096)
def _units(text: str) -> tuple[Span, ...]:
    return tuple(units(text))


@lru_cache(maxsize=16384)
def _sentence_terms(text: str, stemmer: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    terms = base_terms(text, stemmer)
    return frozenset(terms), frozenset(pairwise(terms))


@lru_cache(maxsize=4096)
def _passage_terms(title: str, section: str, text: str, stemmer: str) -> tuple[frozenset[str], frozenset[str]]:
    """Terms of the headings, and of headings and text together."""
    headings = frozenset(base_terms(f"{title}\n{section}", stemmer))
    return headings, headings | frozenset(base_terms(text, stemmer))

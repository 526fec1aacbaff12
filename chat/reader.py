"""The built-in answerer: it quotes the one or two sentences that answer, word for word, each with its `[n]`.

Nothing is downloaded and nothing is made up. Every sentence of the passages is weighed (`retrieval.judge`);
if it is unlikely that any of them answers, the reader says what it searched and what could be
switched on instead. An answer has at most `MOST_WORDS` words, citations included; 1.5 Chinese, Japanese or Korean
characters count as a word. Small talk and questions about the app are answered from the app's own guide, whose
passages come from the source `guide`. Who asks for news is told the newest reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chat.base import ChatRequest, Chunk, Finish
from chat.excerpt import excerpt, words
from chat.news_digest import digest
from chat.overview_texts import written
from chat.replies import ask_back, cannot, small_talk, unanswered
from chat.smalltalk import Scope, Talk, remark, scope, talk, without_greeting
from chat.tasks import task
from retrieval.answering import Question, Sentence, merit, opening, sentences
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.query import is_lone, is_person, unresolved
from retrieval.selector import Vector, probabilities
from retrieval.text import CJK

MOST_WORDS = 60
GUIDE, DOCUMENTS = "guide", "documents"

_READ = 10
"""Passages; what ranks lower hardly ever answers."""
_QUESTION_CHARS = 1000
_SECOND = 0.2
"""A second sentence is quoted if it is at least this probable, as a share of the first one's probability."""
_FEWEST_WORDS = 12
"""A second quotation is cut down to fit, but not below this."""
_NEVER = np.float32(-1e4)
"""Logit of a sentence that is not to be quoted, such as a question."""
_DEFINES = np.float32(3.0)
"""Logits by which an article's opening leads where the question asks what its subject is."""
_GUIDE_FIRST = 2.0
"""Logits that the guide's sentences gain when the question is about the app."""
_GUIDE_THRESHOLD = 0.25
"""Share of the threshold that is enough then: nothing else knows the app."""
_OWN = re.compile(r"\b(?:i|me|my|mine|we|us|our|ours|it)\b|[我咱]", re.IGNORECASE)
_OWN_FIRST, _OWN_THRESHOLD = np.float32(2.5), 0.3
"""The same for a person's own documents where a question is about what is theirs, or about a “she” whom nobody named:
an encyclopaedia seldom knows."""
_PIECE = re.compile(rf"(?:\S*[^\s{CJK}]+\s*|[{CJK}]{{1,3}}\S?\s*){{1,8}}")

_SECTIONS = {
    Talk.GREETING: ("Hello", "你好"),
    Talk.IDENTITY: ("What is Groundchat", "Groundchat 是什么"),
    Talk.ABILITY: ("What Groundchat can do", "Groundchat 能做什么"),
}
"""The guide's section that answers a kind of small talk."""


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    finish: Finish


@dataclass(frozen=True, slots=True)
class _Quote:
    """A sentence to quote, or the part of it that fits."""

    sentence: Sentence
    number: int
    """`[number]` cites its passage."""
    text: str

    def __str__(self) -> str:
        return f"{self.text} [{self.number}]"


class Reader:
    """A `ChatModel` that quotes. Safe to call from several threads."""

    name = "reader"
    least = 0.0

    def __init__(self, judge: SentenceJudge) -> None:
        self._judge = judge

    def load(self) -> None:
        """Read the weights, once. Raises `ModelError` when they cannot be used."""
        self._judge.load()

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """The answer in a few chunks."""
        self.load()
        if request.cancel.is_set():
            yield Chunk(finish=Finish.CANCELLED)
            return
        reply = self._reply(request)
        for piece in _pieces(reply.text):
            if request.cancel.is_set():
                yield Chunk(finish=Finish.CANCELLED)
                return
            yield Chunk(piece)
        yield Chunk(finish=reply.finish)

    def _reply(self, request: ChatRequest) -> Reply:
        if request.overviews:
            return Reply(written(request.overviews, request.passages, request.language), Finish.STOP)
        said = talk(request.question)
        if said is None and not request.passages and remark(request.question):
            said = Talk.ASSENT
        if said is not None:
            return Reply(self._from_guide(said, request) or small_talk(said, request.language), Finish.STOP)
        text = without_greeting(request.query or request.question)[:_QUESTION_CHARS]
        news = digest(text, request.passages)
        if news:
            return Reply(news, Finish.STOP)
        asked = task(request.question)
        if asked is not None:
            return Reply(cannot(asked, request.language), Finish.UNANSWERED)
        pronoun = unresolved(text)
        if is_lone(text) or (is_person(pronoun) and all(p.source != DOCUMENTS for p in request.passages)):
            return Reply(ask_back(pronoun or text.strip(" ?？"), request.language), Finish.UNANSWERED)
        own = is_person(pronoun) or _OWN.search(text) is not None
        quotes = self._quotes(text, request.language, request.passages, scope(text), own)
        if quotes:
            return Reply(_joined(quotes), Finish.STOP)
        said_nothing = unanswered(request.language, request.searched, request.unsearched, text, pronoun)
        return Reply(said_nothing, Finish.UNANSWERED)

    def _from_guide(self, said: Talk, request: ChatRequest) -> str:
        """The first sentences of the guide's section on it; empty where that was not found."""
        titles = _SECTIONS.get(said, ())
        for i, passage in enumerate(request.passages):
            if passage.source == GUIDE and passage.section in titles and passage.language in ("", request.language):
                question = self._judge.read(request.question, request.language)
                return _joined(_fitted(question, [passage], sentences([passage])[:2], [i + 1]))
        return ""

    def _quotes(self, text: str, language: str, passages: Sequence[Passage], about: Scope, own: bool) -> list[_Quote]:
        """What answers, best first; empty where nothing is likely to. `own`: one's own documents are likely meant."""
        known = self._judge.knows(language)
        numbers = [
            i + 1
            for i, passage in enumerate(passages)
            if passage.source != GUIDE or (about is not Scope.WORLD and passage.language in ("", language))
        ]
        trusted = [n for n in numbers if known and self._judge.knows(passages[n - 1].language or language)]
        numbers = (trusted or numbers)[:_READ]
        read = [passages[n - 1] for n in numbers]
        if not read or not text.strip():
            return []
        cosines = self._judge.cosines(text, read) if trusted else None
        judged = self._judge.judge(text, language, read, cosines, closely=True)
        question, found, logits = judged.question, judged.sentences, judged.logits
        if not found:
            return []
        logits[[not sentence.quotable for sentence in found]] = _NEVER
        defining = opening(question, read, found)
        if defining is not None:
            logits[defining] = max(float(logits.max()), 0.0) + _DEFINES
        from_guide = np.array([read[sentence.passage].source == GUIDE for sentence in found])
        share = 1.0
        if about is Scope.APP:
            share = _GUIDE_THRESHOLD
            logits = logits + np.where(from_guide, np.float32(_GUIDE_FIRST), np.float32(0))
        elif own:
            theirs = np.array([read[sentence.passage].source == DOCUMENTS for sentence in found])
            logits = logits + np.where(theirs, _OWN_FIRST, np.float32(0))
            share = _OWN_THRESHOLD if theirs[int(np.argmax(logits))] else 1.0
        chosen = _chosen(logits, judged.threshold * share, from_guide)
        return _fitted(question, read, [found[i] for i in chosen], numbers)


def _chosen(logits: Vector, threshold: float, from_guide: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[int]:
    """Indices of the sentences worth quoting, best first; the guide and other sources are not mixed."""
    shares = probabilities(logits)
    order = np.argsort(-logits, kind="stable")
    if float(shares.sum()) < threshold:
        return []
    first = order[0]
    return [int(i) for i in order if shares[i] >= _SECOND * shares[first] and from_guide[i] == from_guide[first]]


def _fitted(
    question: Question, passages: Sequence[Passage], ranked: Sequence[Sentence], numbers: Sequence[int]
) -> list[_Quote]:
    """One or two of the ranked sentences within `MOST_WORDS`, the likelier first; neighbours stand as in the text."""
    quotes: list[_Quote] = []
    room = float(MOST_WORDS)
    for sentence in ranked:
        language = passages[sentence.passage].language

        def value(part: str, language: str = language) -> float:
            return merit(question, part, language)

        least = _FEWEST_WORDS if quotes else 0
        if room - 1 <= least:
            break
        text = excerpt(sentence.quotable, room - 1, value)
        if text and not any(text in quote.text for quote in quotes):
            quotes.append(_Quote(sentence, numbers[sentence.passage], text))
            room -= words(text) + 1
        if len(quotes) == 2:
            break
    if len(quotes) == 2 and _follows(passages, quotes[1].sentence, quotes[0].sentence):
        quotes.reverse()
    return quotes


def _follows(passages: Sequence[Passage], one: Sentence, other: Sentence) -> bool:
    """Whether `other` is the very next sentence after `one`."""
    between = passages[one.passage].text[one.span.end : other.span.start]
    return one.passage == other.passage and one.span.end <= other.span.start and not between.strip(" \t\n-*+•")


def _joined(quotes: Sequence[_Quote]) -> str:
    return " ".join(str(quote) for quote in quotes)


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of about eight words."""
    at = 0
    for match in _PIECE.finditer(text):
        yield text[at : match.end()]
        at = match.end()
    if at < len(text):
        yield text[at:]

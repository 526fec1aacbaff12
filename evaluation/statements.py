"""Statements with the passage they cite, made from questions and their answers: true ones, and each with a fault.

A question and its answer become a statement (`restated`), and so does the sentence that holds the answer, without its
parentheses and with its opening clause at the end (`reordered`). From each of these come the faults:

- `number`, `name`: a number or a name is exchanged for another one of the article that the passage does not hold.
- `answer`: the answer is exchanged for that of another question about the article, which the passage may hold.
- `negated`: a “not” is put in.
- `paragraph`: it cites another paragraph of the article.
- `alike`: it cites the paragraph of the article that shares most of its words, the right one apart.

A paragraph that holds the answer too is never cited wrongly. Everything is drawn with a fixed seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evaluation.dataset import Dataset, Item, Question
from retrieval.sentences import sentences
from retrieval.text import CJK, STOPWORDS, analyse, language, word_set

TRUE = ("restated", "reordered")
FAULTS = ("number", "name", "answer", "negated", "paragraph", "alike")

_WH = re.compile(r"(?P<wh>who|what|where|when|which|how many|how much)\s+(?P<rest>.+)", re.IGNORECASE)
_IS = re.compile(r"(?P<is>is|was|are|were)\s+(?P<rest>.+)", re.IGNORECASE)
_DID = re.compile(r"(?:did|do|does)\s+(?P<rest>.+)", re.IGNORECASE)
_AUXILIARIES = word_set("is was are were did do does has have had can could will would should may might")
_ZH_ASKED = re.compile(
    r"什么时候|什么时间|何时|哪一?年|哪里|哪儿|何处|什么地方|哪一?[个位座支种名]|多少|几|谁|什么|何种|哪[个种些]?"
)
_PARENTHESIS = re.compile(r"\s*[(（\[][^()（）\[\]]*[)）\]]")
_OPENING = re.compile(
    r"(?P<opening>(?:In|On|At|After|Before|During|By|Since|From|Under|With|For|As)\b[^,;:]{3,60}), (?P<rest>.+)"
)
_NUMBER = re.compile(r"(?<![\w.,-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w-])", re.ASCII)
_NAME = re.compile(r"(?<![\w-])[A-Z][a-z\w'-]+(?: [A-Z][a-z\w'-]+)*")
_TO_NEGATE = re.compile(r"(?<= )(?:is|was|are|were|has|had|can|could|will|would)(?= )")
_ZH_TO_NEGATE = re.compile(r"(?<=.)(?=是|在|有)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, the text it cites, and what is wrong with that."""

    text: str
    cites: Item
    origin: str
    """One of `TRUE`."""
    fault: str
    """One of `FAULTS`; empty where the text supports it."""
    article: str


@dataclass(frozen=True, slots=True)
class _Article:
    """What faults are made of."""

    items: tuple[Item, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]
    answers: tuple[str, ...]


def statements(dataset: Dataset, questions: int) -> Iterator[Statement]:
    """The statements of so many questions, drawn with a fixed seed."""
    draw = random.Random(0)
    items = {item.id: item for item in dataset.corpus}
    articles = _articles(dataset, items)
    asked = [question for question in dataset.questions if question.answers]
    for question in draw.sample(asked, min(questions, len(asked))):
        item = items[min(dataset.relevant[question.id])]
        for origin, text, answer in _true(question, item):
            yield Statement(text, item, origin, "", item.title)
            for fault, wrong, cites in _faulty(text, answer, question, item, articles[item.title], draw):
                yield Statement(wrong, cites, origin, fault, item.title)


def _articles(dataset: Dataset, items: dict[str, Item]) -> dict[str, _Article]:
    by_title: dict[str, list[Item]] = {}
    for item in dataset.corpus:
        by_title.setdefault(item.title, []).append(item)
    answers: dict[str, list[str]] = {}
    for question in dataset.questions:
        answers.setdefault(items[min(dataset.relevant[question.id])].title, []).extend(question.answers[:1])
    return {
        title: _Article(
            tuple(own),
            _distinct(number for item in own for number in _NUMBER.findall(item.text)),
            _distinct(name for item in own for name in _NAME.findall(item.text) if name.lower() not in STOPWORDS),
            _distinct(answers.get(title, ())),
        )
        for title, own in by_title.items()
    }


def _distinct(found: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _true(question: Question, item: Item) -> Iterator[tuple[str, str, str]]:
    """Origin, statement, and the answer as it stands in it."""
    answer = min(question.answers, key=len).strip(' ."“”')
    said = restated(question.text, answer)
    if said:
        yield "restated", said, answer
    for span in sentences(item.text):
        sentence = item.text[span.start : span.end]
        if answer in sentence:
            said = reordered(sentence)
            if answer in said:
                yield "reordered", said, answer
            return


def restated(question: str, answer: str) -> str:
    """The question as a statement that holds its answer; empty where no rule fits."""
    question = question.strip().rstrip("?？.。 ")
    if re.search(f"[{CJK}]", question):
        said, count = _ZH_ASKED.subn(answer, question, count=1)
        return f"{said}。" if count else ""
    asked = _WH.match(question)
    if not asked:
        return ""
    word, rest = asked["wh"].lower(), asked["rest"]
    if is_ := _IS.match(rest):
        said = f"{is_['rest']} {is_['is']} {answer}"
    elif did := _DID.match(rest):
        said = f"{did['rest']}: {answer}" if word in ("what", "who", "which") else f"{did['rest']} in {answer}"
    elif rest.split()[0].lower() in _AUXILIARIES or word in ("where", "when"):
        return ""
    elif word in ("who", "what") or word.startswith("how"):
        said = f"{answer} {rest}"
    else:
        said = f"{answer}, the {rest}"
    return f"{said[:1].upper()}{said[1:]}."


def reordered(sentence: str) -> str:
    """The sentence without what stands in parentheses, its opening clause at the end."""
    said = _PARENTHESIS.sub("", " ".join(sentence.split()))
    opening = _OPENING.fullmatch(said.rstrip("."))
    if not opening:
        return said
    first = opening["opening"]
    return f"{opening['rest'][:1].upper()}{opening['rest'][1:]} {first[:1].lower()}{first[1:]}."


def _faulty(
    text: str, answer: str, question: Question, item: Item, article: _Article, draw: random.Random
) -> Iterator[tuple[str, str, Item]]:
    """Fault, statement, and the text that it cites."""
    swaps: tuple[tuple[str, Sequence[str], Callable[[str, str], bool]], ...] = (
        ("number", _NUMBER.findall(text), lambda one, other: len(one) == len(other)),
        (
            "name",
            [n for n in _NAME.findall(text) if n.lower() not in STOPWORDS and n in item.text],
            lambda one, other: True,
        ),
    )
    for fault, found, fits in swaps:
        of = article.numbers if fault == "number" else article.names
        held = [one for one in found if one in item.text]
        if held:
            one = draw.choice(held)
            others = [other for other in of if other not in item.text and fits(one, other)]
            if others:
                yield fault, text.replace(one, draw.choice(others), 1), item
    digits = any(character.isdigit() for character in answer)
    others = [
        other
        for other in article.answers
        if any(c.isdigit() for c in other) == digits
        and not any(other in right or right in other for right in question.answers)
        and other not in text
        and len(other) <= 3 * len(answer)
    ]
    if others and answer in text:
        yield "answer", text.replace(answer, draw.choice(others), 1), item
    negated = _negated(text)
    if negated:
        yield "negated", negated, item
    wrong = [each for each in article.items if each.id != item.id and not any(a in each.text for a in question.answers)]
    if wrong:
        yield "paragraph", text, draw.choice(wrong)
        terms = _terms(text)
        yield "alike", text, max(wrong, key=lambda each: len(terms & _terms(each.text)))


@lru_cache(maxsize=4096)
def _terms(text: str) -> frozenset[str]:
    return frozenset(analyse(text, language(text)))


def _negated(text: str) -> str:
    if re.search(f"[{CJK}]", text):
        said, count = _ZH_TO_NEGATE.subn("不", text, count=1)
        return said if count else ""
    verb = _TO_NEGATE.search(text)
    return f"{text[: verb.end()]} not{text[verb.end() :]}" if verb else ""

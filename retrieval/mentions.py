"""Who and what was mentioned: names by their capitals, a question's topic, and which of them “he” or “it” means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from retrieval.text import STOPWORDS, word_set


@dataclass(frozen=True, slots=True)
class Turn:
    """One question (as it was searched for), its answer, and the title of the first passage that was cited."""

    question: str
    answer: str = ""
    title: str = ""


class Kind(Enum):
    """What a pronoun can stand for."""

    PERSON = "person"
    THING = "thing"
    PLACE = "place"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Name:
    """A run of capitalised words."""

    text: str
    start: int
    before: str
    """The word before it, in lower case; empty at the start of a sentence."""

    @property
    def spoken(self) -> str:
        """With its article: “the Titanic”."""
        return f"the {self.text}" if self.before == "the" else self.text


_CAPITAL = r"(?:[A-Z]|[À-ÖØ-Þ])"
_WORD = rf"(?:{_CAPITAL}[\w’'.-]*\w|{_CAPITAL}\b\.?)"
_LINK = r"(?:(?:of|the|de|la|le|du|van|von|der|den|da|di|bin|al|ibn)[ -]){0,2}"
_NAME = re.compile(rf"{_WORD}(?:[ -]{_LINK}(?:{_WORD}|\d+\b))*")
_BEFORE = re.compile(r"([\w’']+)[ \"'“‘(]*\Z")
_POSSESSIVE = re.compile(r"['’]s\Z")

_NOT_A_NAME = STOPWORDS | word_set(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday after although before despite during each even first however later many most no "
    "not one only other since some soon there these this though three through today two under until unlike yes today "
    "tell please explain describe give list name show let ok okay thanks hello hi according scientists people i'm "
    "both early several another here"
)
_INSTITUTION = word_set(
    "academy army bank battle bay building castle cathedral cave century channel church city club college company "
    "conference corporation council country county cup desert dynasty empire falls festival foundation games garden "
    "government hall hospital house institute international island islands king's kingdom laboratory lake league "
    "library mountain mount mountains museum nations ocean olympics organization organisation palace park party peace "
    "plain planet prize province republic revolution river road school sea society square state states station street "
    "system theatre theater tower town treaty union university valley village war wall world"
)
_PLACE_LEAD = word_set("in at near from to into outside inside around across of between towards through over")
_PERSON_LEAD = re.compile(
    r"(?:by|sir|dr|lord|lady|saint|king|queen|prince|princess|emperor|empress|president|mr|mrs|ms|professor|captain|"
    r"general|pope|poet|wife|husband|brother|sister|son|daughter|father|mother|engineer|who|whom|"
    r"\w{2,}(?:ist|ian|er|or|man|woman))"
)
_ORG = re.compile(r"\b[A-Z]{2,}\b|\d")


def names(text: str) -> Iterator[Name]:
    """The names in `text`, in order. A sentence's first word counts unless it is a word like “The” or “However”."""
    for match in _NAME.finditer(text):
        words, dropped = match[0].split(" "), ""
        while words and words[0].lower().rstrip(".") in _NOT_A_NAME:
            dropped = words.pop(0).lower()
        name = _POSSESSIVE.sub("", " ".join(words)).strip(" .'’-")
        if len(name) > 1:
            start = match.start() + match[0].find(words[0])
            before = _BEFORE.search(text[max(0, start - 30) : start])
            yield Name(name, start, dropped or (before[1].lower() if before else ""))


def person_like(name: Name) -> float:
    """How much a name looks like a person's, about -2..2."""
    words = name.text.split()
    if not words[-1][0].isupper():
        return -2.0
    if _ORG.search(name.text) or any(word.lower() in _INSTITUTION for word in words):
        return -2.0
    if name.before == "the":
        return -1.5
    if _PERSON_LEAD.fullmatch(name.before):
        return 2.0
    return (1.0 if 2 <= len(words) <= 4 else 0.0) - (1.5 if name.before in _PLACE_LEAD else 0.0)


_WHO = re.compile(r"\bwho(?:m|se)?\b", re.IGNORECASE)
_WHERE = re.compile(r"\b(?:where|(?:what|which) (?:country|city|place|town|island|state|continent|region))\b", re.I)
_WHICH = re.compile(
    r"^\W*(?:in |on |at |of |from )?which\b|^\W*what(?: is| was| are| were|'s)? (?:the )?(?:name of|capital|largest|"
    r"biggest|smallest|highest|tallest|longest|deepest|oldest|fastest|closest|nearest|main|first|most)\b|"
    r"^\W*what (?!is\b|are\b|was\b|were\b|do\b|does\b|did\b|has\b|have\b|can\b|year|time|date|century|percent)\w+",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"^\W*(?:(?:can|could) you )?(?:please )?(?:tell me (?:more )?about|explain|describe|"
    r"what|who|whom|whose|when|where|why|"
    r"which|how(?: (?:many|much|old|long|far|tall|high|large|big|often|deep|fast|wide|heavy))?|in what|in which)\b\W*",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|may|might)\b(?: not|n't)?\s*", re.I
)
_TRAILING = re.compile(
    r"\s+(?:\w+ed|work|mean|look|happen|begin|began|start|end|come|made|built|born|found|written|known|called|used|"
    r"located|important|rise|fall|die|live|grow|form|taste|like|from|of|for|to|in|on|at|by|about)\W*\Z",
    re.IGNORECASE,
)
_DETERMINER = re.compile(r"^(?:a|an|the|some|any)\s+", re.IGNORECASE)
_OF = re.compile(r"^(?:\w+ ){1,3}of (?:the |a |an )?", re.IGNORECASE)
_MOST_WORDS = 4


def topic_phrase(question: str) -> str:
    """What an English question is about, in its own words: “printing press” of “When was the printing press invented?”.

    Empty where nothing of one to four words is left.
    """
    rest = _FRAME.sub("", question, count=1)
    auxiliary = _AUXILIARY.search(rest)
    if auxiliary:
        rest = rest[auxiliary.end() :]
    elif _WHO.match(question.strip()):
        rest = rest.partition(" ")[2]
    rest = re.split(r"[?!.,;:()]|\b(?:that|which|who|when|because|if|and)\b", rest, maxsplit=1)[0].strip()
    for _ in range(3):
        rest = _TRAILING.sub("", rest)
    rest = _OF.sub("", _DETERMINER.sub("", rest)).strip()
    words = rest.split()
    return rest if 0 < len(words) <= _MOST_WORDS and not all(word.lower() in STOPWORDS for word in words) else ""


def antecedent(kind: Kind, turns: Sequence[Turn], question: str = "") -> str:
    """What a pronoun of this kind most likely stands for, looking back from the last turn; empty where nothing fits.

    It is nothing that `question`, where the pronoun stands, names itself.
    """
    question = question.lower()
    for turn in reversed(turns):
        scored = [
            (score, -order, text)
            for order, (text, score) in enumerate(_candidates(kind, turn))
            if text.lower().removeprefix("the ") not in question
        ]
        if scored and max(scored)[0] > 0:
            return max(scored)[2]
    return ""


def _candidates(kind: Kind, turn: Turn) -> Iterator[tuple[str, float]]:
    """(text, how well it fits) of everything that was mentioned in a turn."""
    asked, answered = list(names(turn.question)), list(names(turn.answer))
    question = turn.question.lower()
    fit = _FITS[kind]
    for name in asked:
        yield name.spoken, 2.5 + fit(name, turn, False)
    for order, name in enumerate(answered):
        if name.text.lower() not in question:
            full = _fuller(name.spoken, [other.text for other in answered] + [turn.title])
            yield full, 1.0 - 0.2 * order + fit(name, turn, True)
    if turn.title:
        # “Printing press”: in the middle of a sentence it would have no capital.
        common = turn.title.lower() in question and turn.title not in turn.question
        title = Name(turn.title.lower() if common else turn.title, 0, "")
        mentioned = turn.title.lower() in question or turn.title.lower() in turn.answer.lower()
        yield title.text, (1.5 if mentioned else 0.5) + fit(title, turn, False)
    phrase = topic_phrase(turn.question)
    if phrase and kind is not Kind.PERSON and not any(name.text in phrase for name in asked):
        yield phrase, 2.0 + (0.5 if kind is Kind.GROUP and phrase.endswith("s") else 0.0)


def _fuller(name: str, others: Sequence[str]) -> str:
    """The longest of the names that ends in this one: “Alexander Fleming” for “Fleming”."""
    return max((other for other in others if other.endswith(f" {name}")), key=len, default=name)


def _fits_person(name: Name, turn: Turn, new: bool) -> float:
    return 1.5 * person_like(name) + (2.5 if new and _WHO.search(turn.question) else 0.0)


def _fits_thing(name: Name, turn: Turn, new: bool) -> float:
    # “Which planet is the largest?” – “How big is it?”: the answer; “When was the tower built?”: the tower.
    asked_for = new and _WHICH.search(turn.question) is not None and not _WHO.search(turn.question)
    return (3.0 if asked_for else 0.0) - (1.0 if person_like(name) > 1 else 0.0)


def _fits_place(name: Name, turn: Turn, new: bool) -> float:
    asked_for = new and (_WHERE.search(turn.question) or _WHICH.search(turn.question))
    placed = name.before in _PLACE_LEAD
    return (3.0 if asked_for else 0.0) + (1.0 if placed else 0.0) - (3.0 if person_like(name) > 1 else 0.0)


def _fits_group(name: Name, turn: Turn, new: bool) -> float:
    return (2.0 if new and (_WHO.search(turn.question) or _WHICH.search(turn.question)) else 0.0) + (
        0.5 if name.text.endswith("s") else 0.0
    )


_FITS = {
    Kind.PERSON: _fits_person,
    Kind.THING: _fits_thing,
    Kind.PLACE: _fits_place,
    Kind.GROUP: _fits_group,
}

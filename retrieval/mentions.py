"""Who and what was mentioned: names by their capitals, a question's topic, and which of them “he” or “it” means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from retrieval.asked import asked, the
from retrieval.english import FINITE, NATIONALITIES, is_plural
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
_SURNAME = re.compile(rf"\b(?:van|von|de|da|di|del)\b(?: \w+)? {_CAPITAL}\w+\Z")
_PAIR = re.compile(
    rf"{_WORD} {_WORD}(?: {_WORD})?(?:, {_WORD} {_WORD})* and {_WORD} {_WORD}|{_WORD} and {_WORD}(?: {_WORD})?"
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


def _asks_which(question: str) -> bool:
    """Whether the answer is the name of one of a kind: “which planet”, “what is the tallest mountain”."""
    parts = asked(question)
    return _WHICH.search(question) is not None and parts.verb not in FINITE and not is_plural(parts.counted)


def topic(turn: Turn) -> str:
    """What a turn's question is about, in its own words; the name that answers it where it asks for a name of a thing.

    “the first vaccine” of “who made the first vaccine”. Empty where the question has no such words.
    """
    if _asks_which(turn.question) and not _WHO.search(turn.question):
        named = antecedent(Kind.THING, [turn])
        if named:
            return named
    parts = asked(turn.question)
    year = f" {parts.rest}" if re.fullmatch(r"in \d{4}", parts.rest) and parts.object else ""
    return f"{the(parts.topic)}{year}" if parts.topic else ""


def restored(turn: Turn) -> Turn:
    """The turn, its question with the capitals that its answer and title give to names: “the Titanic”."""
    question = turn.question
    known = {name.text for name in names(turn.answer) if name.before or " " in name.text}
    for name in sorted(known, key=len, reverse=True):
        question = _put(name, name, question)
    surname = _SURNAME.search(turn.title)  # “van gogh” of “Vincent van Gogh”
    if surname and turn.title not in question:
        question = _put(surname[0], turn.title, question)
    return Turn(question, turn.answer, turn.title)


def _put(name: str, instead: str, text: str) -> str:
    """The text with a name, however it is written, put differently."""
    if name.lower() not in text.lower():
        return text
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
    return f"{text[: found.start()]}{instead}{text[found.end() :]}" if found else text


def antecedent(kind: Kind, turns: Sequence[Turn], question: str = "") -> str:
    """What a pronoun of this kind most likely stands for, looking back from the last turn; empty where nothing fits.

    It is nothing that `question`, where the pronoun stands, names itself.
    """
    question = question.lower()
    for turn in reversed(turns):
        found = [(score, -order, text) for order, (text, score) in enumerate(_candidates(kind, turn))]
        scored = [each for each in found if each[2].lower().removeprefix("the ") not in question]
        # “What kind of battery is it?”: where the likeliest is named already, the least likely is no answer.
        if scored and max(scored)[0] > (0 if len(scored) == len(found) else 0.5):
            return max(scored)[2]
    return ""


def _candidates(kind: Kind, turn: Turn) -> Iterator[tuple[str, float]]:
    """(text, how well it fits) of everything that was mentioned in a turn."""
    in_question, answered = _candidate_names(turn.question), _candidate_names(turn.answer)
    question = turn.question.lower()
    fit = _FITS[kind]
    for name in in_question:
        yield name.spoken, 2.5 + fit(name, turn, False)
    for order, name in enumerate(answered):
        if name.text.lower() not in question:
            full = _fuller(name.spoken, [other.text for other in answered] + [turn.title])
            if kind is Kind.PERSON:  # “Magnus Carlsen of Norway”, but “Joan of Arc”
                full = re.sub(r"^(\w+ \w+) of .*", r"\1", full)
            # “Sorry: I may …”: a lone word at the start of a sentence that cites nothing may be any word.
            doubt = 1.0 if not (turn.title or name.before or " " in name.text) else 0.0
            yield full, 1.0 - doubt - 0.2 * order + fit(name, turn, True)
    if turn.title:
        # “Printing press”: in the middle of a sentence it would have no capital.
        common = turn.title.lower() in question and turn.title not in turn.question
        title = Name(turn.title.lower() if common else turn.title, 0, "")
        mentioned = turn.title.lower() in question or turn.title.lower() in turn.answer.lower()
        yield title.text, (1.5 if mentioned else 0.5) + fit(title, turn, False)
    if kind is Kind.GROUP:
        for pair in _PAIR.finditer(turn.answer):
            yield pair[0], 2.0 + (2.5 if _WHO.search(turn.question) else 0.0)
    parts = asked(turn.question)
    phrase = parts.topic
    if phrase and kind is not Kind.PERSON and not any(name.text in phrase for name in in_question):
        plural = phrase == parts.counted or is_plural(phrase)
        yield the(phrase), 2.0 + _AGREES[kind] * (1 if plural else -1)


def _candidate_names(text: str) -> list[Name]:
    return [name for name in names(text) if name.text.split()[-1].lower() not in NATIONALITIES]


def _fuller(name: str, others: Sequence[str]) -> str:
    """The longest of the names that ends in this one: “Alexander Fleming” for “Fleming”."""
    return max((other for other in others if other.endswith(f" {name}")), key=len, default=name)


def _fits_person(name: Name, turn: Turn, new: bool) -> float:
    # “Who was Ada Lovelace's dad?”: “she” is still the one whom the article is about.
    known = bool(turn.title) and turn.title in turn.question
    return 1.5 * person_like(name) + ((0.5 if known else 2.5) if new and _WHO.search(turn.question) else 0.0)


def _fits_thing(name: Name, turn: Turn, new: bool) -> float:
    # “Which planet is the largest?” – “How big is it?”: the answer; “When was the tower built?”: the tower.
    asked_for = new and _asks_which(turn.question) and not _WHO.search(turn.question)
    return (3.0 if asked_for else 0.0) - (1.0 if person_like(name) > 1 else 0.0)


def _fits_place(name: Name, turn: Turn, new: bool) -> float:
    asked_for = new and (_WHERE.search(turn.question) or _asks_which(turn.question))
    placed = name.before in _PLACE_LEAD
    return (3.0 if asked_for else 0.0) + (1.0 if placed else 0.0) - (3.0 if person_like(name) > 1 else 0.0)


def _fits_group(name: Name, turn: Turn, new: bool) -> float:
    return (2.0 if new and (_WHO.search(turn.question) or _asks_which(turn.question)) else 0.0) + (
        0.5 if name.text.endswith("s") else 0.0
    )


_FITS = {
    Kind.PERSON: _fits_person,
    Kind.THING: _fits_thing,
    Kind.PLACE: _fits_place,
    Kind.GROUP: _fits_group,
}
_AGREES = {Kind.THING: -0.75, Kind.GROUP: 1.0, Kind.PLACE: -0.75, Kind.PERSON: 0.0}
"""What a plural phrase is worth: “they” goes with “the dinosaurs”, “it” does not."""

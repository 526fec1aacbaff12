"""English questions that leave something out: another ordinal, another name, or the topic."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.asked import asked, bare
from retrieval.english import ADVERBS, BELONGING, FINITE, PREPOSITIONS, is_plural
from retrieval.mentions import Kind, Turn, antecedent, names, topic
from retrieval.text import word_set

_YEAR = re.compile(r"\b(?:1\d{3}|20\d{2})s?\b")
_PREPOSITION = re.compile(r"^(in|at|on|for|of|by|from|to|with|during|after|before|since|against)\s+", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)

_ORDINAL = r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d+(?:st|nd|rd|th)"
_GRADE = (
    r"(?:most|least) \w+|best|worst|(?!(?:west|east|rest|forest|interest|test|guest|request|honest|harvest|chest|nest|"
    r"priest|quest|protest|contest|arrest|invest|suggest|modest|everest|budapest|bucharest|trieste?|manifest)\b)\w{3,}est"
)
_RANK = re.compile(rf"\b(?P<order>{_ORDINAL})(?:[ -](?P<graded>{_GRADE}))?\b|\b(?P<grade>{_GRADE})\b", re.IGNORECASE)
_RANK_ALONE = re.compile(
    r"^(?:(?:what|how) about |"
    r"(?:(?:who|what|which)(?:'s| is| was| were| are| came| comes| finished)?(?: one)?(?: is| was)?) )?"
    rf"(?:the )?(?P<rank>(?:(?:{_ORDINAL})[ -])?(?:{_GRADE})|{_ORDINAL})(?: one| ones| place)?\W*$",
    re.IGNORECASE,
)


_SAID_ABOUT = re.compile(
    r"\b(?:say|says|said|states?|stated|mentions?|mentioned|known|writes?|wrote)(?: (?:any|some)thing)? (?:about|on) "
    r"(?P<what>.+)\Z",
    re.IGNORECASE,
)
"""“What does the contract say about notice?”: what is asked next is the matter, not who speaks."""


def ranked_anew(question: str, last: str) -> str:
    """“and the second?” after “who was the first person on the moon”; empty where that does not fit."""
    rank, held = _RANK_ALONE.match(question), _RANK.search(last)
    if not rank or not held:
        return ""
    new, old = rank["rank"], held[0]
    if held["grade"] and re.fullmatch(_ORDINAL, new, re.IGNORECASE):
        new = f"{new} {old}"
    elif held["graded"] and re.fullmatch(_ORDINAL, new, re.IGNORECASE):
        new = f"{new} {held['graded']}"
    if new.lower() == old.lower():
        return ""
    return f"{last[: held.start()]}{new}{last[held.end() :]}".rstrip(" ?.!") + "?"


def put_in(fragment: str, turns: Sequence[Turn]) -> str | None:
    """The last question with the fragment in the place of what it replaces; None where nothing fits."""
    question = turns[-1].question
    open_end = question.rstrip(" ?.!")
    year = _YEAR.search(fragment)
    if year:
        old = _YEAR.search(question)
        if old:
            return question[: old.start()] + year[0] + question[old.end() :]
        lead = "" if _PREPOSITION.match(fragment) else "in "
        return f"{open_end} {lead}{fragment}?"
    if _RANK.search(fragment) and len(fragment.split()) > 1:  # “and the first woman?”
        about = topic(turns[-1])
        return f"{bare(about)}: {fragment}?" if about else None
    led = _PREPOSITION.match(fragment)
    if led:
        same = re.search(rf"\b{led[1]}\s+(?:the )?(?:[\w’'-]+ ?){{1,3}}$", open_end, re.IGNORECASE)
        return f"{open_end[: same.start()] if same else f'{open_end} '}{fragment}?"
    noun = _ARTICLE.sub("", fragment).split()[-1].lower()
    if belongs(noun) or fragment.lower().startswith("its "):
        about = antecedent(Kind.THING, turns) or topic(turns[-1])
        return f"{fragment} of {about}?" if about else None
    said = _SAID_ABOUT.search(open_end)
    if said and next(names(fragment), None) is None and next(names(said["what"]), None) is None:
        return f"{open_end[: said.start('what')]}{fragment}?"
    known = list(names(question))
    if known and (next(names(fragment), None) is not None or not _ARTICLE.match(fragment)):
        old_name = known[-1]
        start = old_name.start
        article = re.search(r"\bthe\s+\Z", question[:start], re.IGNORECASE)
        if article:  # “the Nile” gives way to “the Amazon” and to “Lake Victoria”
            start = article.start()
        return question[:start] + fragment + question[old_name.start + len(old_name.text) :]
    phrase = asked(question).replaceable
    return question.replace(phrase, fragment, 1) if phrase else None


def belongs(noun: str) -> bool:
    """Whether a noun asks “of what?” by itself: “captain”, “survivors”."""
    return noun in BELONGING or noun.removesuffix("s") in BELONGING or noun.removesuffix("es") in BELONGING


_FRAGMENT = re.compile(
    r"^(?P<word>(?:(?:in|on|at|by|for|from|to|with|of|against|about) )?"
    r"(?:how (?:many|much)|which|what|whose) (?P<noun>.+)|"
    r"how (?P<grade>tall|deep|old|big|far|long|high|heavy|wide|fast|hot|cold|large|small|expensive|strong|thick|often|"
    r"much|many|so))\W*$",
    re.IGNORECASE,
)
_STATES = word_set("tall deep old big high heavy wide hot cold large small expensive strong thick")
_VERB = re.compile(
    r"\b(?:is|are|was|were|am|do|does|did|can|could|has|have|had|will|would|should|may|might|must)(?:n't)?\b|['’]s\b",
    re.IGNORECASE,
)
_OF_THE = re.compile(
    r"^(?P<asks>(?:what|who|which|how (?:big|large|high|long|old|deep|tall|heavy|wide|strong|fast))"
    r"(?:['’]s| is| was| are| were)) (?:the |its )?"
    r"(?:(?:main|total|average|exact|original|current|official|full|real|side|boiling|melting|maximum|minimum|final) )?"
    r"(?P<noun>[\w-]+)\W*$",
    re.IGNORECASE,
)
_THE_NOUN = re.compile(r"\bthe (?P<noun>[\w-]+)\b(?! of\b)", re.IGNORECASE)
_SELF = re.compile(
    r"\b(?:i|you|me|my|your|we|us|our|he|she|it|they|him|her|them|his|their|that|this|these|those)\b", re.I
)
_WHO_DID = re.compile(
    r"^(?:who|what|how many|how many (?:people|men|women|children|others|were|of them))(?: else| also| really)? "
    r"(?P<verb>[\w'’]+)(?P<rest>(?: [\w'’]+)*)\W*$",
    re.IGNORECASE,
)
_DID_PEOPLE = re.compile(
    r"^(?:when|where|why|how) did (?:people|everyone|everybody|anyone|others) \w+(?P<rest>(?: [\w'’]+)*)\W*$",
    re.IGNORECASE,
)
_TOOK = re.compile(r"^how (?:long|much|many \w+) did it (?:take|cost) to [a-z]+\W*$", re.IGNORECASE)
_BEFELL = re.compile(r"^what (?:happened|happens) to the [a-z]+(?: [a-z]+)?\W*$", re.IGNORECASE)
_THERE = re.compile(r"^(?:how many|which|what) [\w -]{2,30} were there\W*$", re.IGNORECASE)
_MENTIONED = word_set("there involved next left inside aboard present")
_LONGEST = 8
_CLOSED = ADVERBS | PREPOSITIONS | _MENTIONED | word_set("people of it the a an ones one place")


def completed(question: str, turns: Sequence[Turn], leaning: bool) -> str | None:
    """A question that says nothing by itself, with the topic of the last one; None for any other.

    `leaning`: it began with “and”.
    """
    text = question.strip()
    about = topic(turns[-1]) or antecedent(Kind.THING, turns)
    if _TOOK.match(text) and about:
        return f"{bare(about)}: {text}"
    if _SELF.search(text) or next((name for name in names(text) if name.start > 0), None) is not None:
        return None
    graded = _FRAGMENT.match(text)
    if not about or bare(about).lower() in text.lower():
        return None
    if graded and not _VERB.search(text):
        grade = (graded["grade"] or "").lower()
        if grade in _STATES:
            return f"{graded['word']} {_is(about, turns[-1].question)} {about}?"
        fits = grade or (len(graded["noun"].split()) <= 2 and not _has_verb(graded["noun"]))
        if fits:
            return f"{bare(about)}: {text}"
    of_the = _OF_THE.match(text)
    if of_the and belongs(of_the["noun"].lower()):
        whose = antecedent(Kind.THING, turns) or about
        return f"{text.rstrip(' ?.!')} of {whose}?"
    inner = _THE_NOUN.search(text)
    known = (
        inner is not None
        and not _RANK.fullmatch(inner["noun"])
        and (belongs(inner["noun"].lower()) or _was_said(inner["noun"], turns[-1]))
    )
    if (known and len(text.split()) <= _LONGEST) or _says_nothing(text) or _THERE.match(text) or _BEFELL.match(text):
        return f"{bare(about)}: {text}"
    return None


def _is(about: str, last: str) -> str:
    past = re.search(r"\b(?:was|were|did)\b", last, re.IGNORECASE) and not about[:1].isupper()
    many = is_plural(about)
    return ("were" if many else "was") if past else ("are" if many else "is")


def _has_verb(words: str) -> bool:
    first, *others = words.lower().split()
    return any(word in FINITE for word in others) or (first in FINITE and bool(others))


def _was_said(noun: str, turn: Turn) -> bool:
    """Whether “the wreck” takes up a word of the last answer."""
    return len(noun) > 3 and re.search(rf"\b{re.escape(noun)}\b", turn.answer, re.IGNORECASE) is not None


def _says_nothing(text: str) -> bool:
    """Whether only verbs, prepositions and the like stand in a question: “who stayed behind?”"""
    did = _WHO_DID.match(text)
    if did:
        verb, rest = did["verb"].lower(), did["rest"].lower().split()
        if verb in ("was", "is", "were", "are"):
            return bool(rest) and all(word in _CLOSED or word in FINITE for word in rest)
        return verb in FINITE and all(word in _CLOSED for word in rest)
    people = _DID_PEOPLE.match(text)
    return people is not None and all(word in _CLOSED for word in people["rest"].lower().split())

"""A follow-up question becomes one that stands alone; and has the topic changed?

“and where was he born?” after “Who discovered penicillin?” is searched for as “where was Alexander Fleming born?”.
Rules only, no model: it takes well under a millisecond, and what was searched for can be shown and understood. Covered
are English and Chinese: pronouns, “there”, “that war”, ellipsis (“and in 1998?”, “what about Germany?”, “why?”,
“那德国呢？”), questions that leave out their topic (“how many lifeboats?”, “什么时候建成的？”) and requests for more
(“tell me more”). Other languages are searched for as they were typed. Misspelt question words (“whats”) are put right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retrieval import followup_en, followup_zh, pronouns_en
from retrieval.chinese import names_nothing
from retrieval.english import spelled
from retrieval.mentions import Turn, names
from retrieval.text import HAN, analyse, language, simplified

__all__ = ["Query", "Turn", "is_lone", "is_person", "leans", "standalone", "unresolved"]

_LOOKED_AT = 600
"""Characters of a question; whoever writes more says what they mean."""
_REMEMBERED = 2000
"""Characters of an earlier question or answer."""
_TURNS = 3
_SAME_TOPIC = 0.3
_HAN = re.compile(f"[{HAN}]")
_LONE = re.compile(
    r"(?:and |but |so )?(?:why(?: not)?|when|where|who|whom|how|"
    r"how (?:many|much|long|old|far|big|tall|high|often|come|so)|"
    r"which(?: one)?|(?:in )?(?:which|what) (?:year|city|country)|by whom|since when|(?:what|how) about|"
    r"(?:and )?(?:the )?(?:first|second|third|last)(?: one)?|tell me more|more|go on)[ ?.!]*|"
    r"(?:那|是|那是)?(?:为什么|為什麼|什么时候|什麼時候|哪里|哪裡|在哪里|在哪裡|谁|誰|怎么|怎麼|多少|几个|幾個|哪一?年|哪个|哪個)呢?[？?。]*"
)
_TO_THE_APP = re.compile(r"\b(?:you|your|u)\b|^i(?:['’]?m| am)\b|[你您]", re.IGNORECASE)
"""“Are you sure?” names nothing that a later “it” could mean."""
_LEANS = re.compile(r"(?:and|but|so|or|also|then|what about|how about)\b|[那还還]", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for."""

    text: str
    """The question, able to stand alone."""
    new_topic: bool
    """Whether earlier turns have nothing to do with it. False for a first question."""
    language: str
    """ISO 639-1 code of the question."""
    alone: str = ""
    """The question as it was typed, where it may have been meant so: “How much is the budget?” names something itself,
    and only what is found can tell whether the earlier topic belongs to it. Empty otherwise."""


_REWRITERS: dict[str, Callable[[str, Sequence[Turn]], str | None]] = {
    "en": followup_en.rewrite,
    "zh": followup_zh.rewrite,
}


def standalone(question: str, turns: Sequence[Turn]) -> Query:
    """The question with what it leaves to earlier turns (oldest first) put in; unchanged where it leaves nothing."""
    question = question.strip()
    if len(question) > _LOOKED_AT:
        return Query(question, False, language(question))
    question = spelled(question)
    if not turns:
        return Query(question, False, language(question))
    code = language(question) if _LETTER.search(question) else language(turns[-1].question)
    recent = [
        Turn(spelled(turn.question[:_REMEMBERED]), turn.answer[:_REMEMBERED], turn.title[:_REMEMBERED])
        for turn in turns
        if turn.title or not _TO_THE_APP.search(turn.question)
    ][-_TURNS:]
    if not recent:
        return Query(question, False, code)
    rewrite = _REWRITERS.get(code)
    text = rewrite(question, recent) if rewrite else None
    if text is not None:
        return Query(text, False, code, question if _may_stand_alone(question, text, code) else "")
    return Query(question, _new_topic(question, recent, code), code)


def leans(question: str, query: Query) -> bool:
    """Whether, by the rules, a question after others may not stand alone: `standalone` put something in, or could not
    although something is left out."""
    typed = spelled(question.strip())
    return query.text != typed or is_lone(typed) or bool(unresolved(typed)) or _LEANS.match(typed) is not None


def unresolved(question: str) -> str:
    """The first pronoun of a question that refers to nothing it names: “he” of “when was he born?”; else empty.

    Asked of a query that `standalone` gave: nothing that was said before explains the pronoun either.
    """
    question = question[:_LOOKED_AT]
    return followup_zh.dangling(question) if _HAN.search(question) else pronouns_en.dangling(question)


def is_lone(question: str) -> bool:
    """Whether a question is only a question word or a rank: “why?”, “and the second?”, “什么时候？”."""
    return _LONE.fullmatch(question.strip().lower()) is not None


def is_person(pronoun: str) -> bool:
    """Whether a pronoun that is `unresolved` stands for a person."""
    return pronoun in tuple("他她") or pronouns_en.is_person(pronoun)


def _may_stand_alone(question: str, text: str, code: str) -> bool:
    """Whether the rewriting only added words to a question that names something and does not lean on what was said."""
    if _LEANS.match(question) or is_lone(question) or unresolved(question):
        return False
    if code == "zh" and names_nothing(simplified(question)):
        return False
    terms = {term for term in analyse(question, code) if len(term) > 1}
    return bool(terms) and terms <= set(analyse(text, code))


def _new_topic(question: str, turns: Sequence[Turn], code: str) -> bool:
    """Whether a question that stands alone shares no name, and few words, with the turns before it."""
    said = {term for turn in turns for part in (turn.question, turn.answer, turn.title) for term in analyse(part, code)}
    named = {term for name in names(question) for term in analyse(name.text, code)}
    if named:
        return not named & said
    terms = {term for term in analyse(question, code) if len(term) > 1}
    return len(terms) > 1 and len(terms & said) < _SAME_TOPIC * len(terms)

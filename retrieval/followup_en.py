"""English follow-up questions: pronouns replaced by what they stand for, left-out parts put back.

The rules, tried in order; the first that fits says what is searched for:

- “tell me more”: about the topic of the last question;
- “why?”, “when was that?”, “in which year?”: the last question, asked for something else;
- “and the second?”, “the biggest?”: the last question with another ordinal or superlative;
- “what about Germany?”, “and in 1998?”: the last question with another name, year or thing;
- “how tall is it?”, “that war”: the pronoun gives way to what it stands for;
- “how many lifeboats?”, “who won?”, “the captain?”: what says nothing by itself gets the topic.

A question that fits none of them stays as it is: a wrong rewrite is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.asked import asked, asked_anew, bare
from retrieval.elliptical_en import completed, put_in, ranked_anew
from retrieval.mentions import Kind, Turn, antecedent, restored, topic
from retrieval.pronouns_en import replaced

_LEAD_IN = re.compile(r"^\s*(?:(?:and|but|so|or|also|then|ok|okay|well|yes|no|oh|ah|hm+)\b[ ,.!]*)+", re.IGNORECASE)
_LEANS = re.compile(r"\b(?:and|but|or|also|then)\b", re.IGNORECASE)
_COURTESY = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|yes|yeah|yep|no|nope|so|very|really|too|that(?:'s| is)|cool|great|good|nice|fine|right|sure|"
    r"wow|"
    r"thanks?|thx|ty|you|much|a lot|haha+|hehe+|lol|lmao|sorry|interesting|awesome|amazing|perfect|hello|hi|hey|bye|"
    r"goodbye|please|oh|ah|hm+|well|funny|wrong|correct|true|not|it|got it|i see|is it|what|huh)\b\W*)+$",
    re.IGNORECASE,
)
_WHEN = (
    r"since when|how long ago|how come|why not|how so|(?:by|with|to|for|from|against) whom|why|when|where|how|"
    r"(?:in )?(?:which|what) (?:year|century|month|decade|city|country|town|place)|(?:on )?(?:which|what) (?:day|date)"
)
_BARE = re.compile(rf"^({_WHEN})(?: exactly)?\W*$", re.IGNORECASE)
_EVENT = re.compile(
    rf"^(?:({_WHEN}) (?:is|was|were|'s) (?:that|this)|({_WHEN}) did (?:it|that|this) (?:happen|occur|take place)|"
    rf"({_WHEN}) was it)\W*$",
    re.IGNORECASE,
)
_WHAT_ABOUT = re.compile(r"^(?:what|how) about\s+(.+?)\W*$", re.IGNORECASE)
_MORE = re.compile(
    r"^(?:(?:can|could) you )?(?:please )?(?:tell me more|more(?: details?)?|go on|continue|elaborate|"
    r"explain(?: more| further)?|"
    r"give (?:me )?(?:more )?(?:details|an example|examples)|for example|any(?: more)? details|anything else|what else|"
    r"say more)(?: please)?\W*$",
    re.IGNORECASE,
)
_QUESTION_WORD = re.compile(
    r"^(?:(?:in|on|at|by|for|from|to|with|of|against|about) )?"
    r"(?:who|whom|whose|what|when|where|why|which|how)\b|"
    r"^(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would|should|may|tell|explain|describe|give|list|"
    r"name|show|compare|write|say|please|i|i'm|you|we|my|that|this|it)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"^(?:after|before|besides|with|without|like) (?:that|this|those)\b", re.IGNORECASE)
_LONGEST_FRAGMENT = 5  # words
_LONGEST_UNLED = 3  # words of a fragment without “and”
_OF_ITS_OWN = re.compile(r"\w (?:of|in|on|at|between) \w", re.IGNORECASE)


def rewrite(question: str, turns: Sequence[Turn]) -> str | None:
    """The question made to stand alone, or None where it stands alone already."""
    if _COURTESY.match(question):
        return None
    turns = [restored(turn) for turn in turns if turn.question and not _COURTESY.match(turn.question)]
    if not turns:
        return None
    led = _LEAD_IN.match(question)
    rest = question[led.end() :] if led else question
    leaning = led is not None and _LEANS.search(led[0]) is not None
    last = turns[-1]
    if _MORE.match(rest):
        about = antecedent(Kind.THING, turns) or topic(last)
        return f"Tell me more about {about}" if about else last.question
    word = _BARE.match(rest) or _EVENT.match(rest)
    if word:
        return _event(next(filter(None, word.groups())), last)
    ranked = ranked_anew(rest, last.question)
    if ranked:
        return ranked
    text = replaced(rest, turns)
    about_what = _WHAT_ABOUT.match(text)
    if about_what:
        return text[about_what.start(1) :] if text != rest else put_in(about_what[1], turns)
    if text != rest:
        return text
    fragment = rest.rstrip(" ?.!")
    size = len(fragment.split())
    if _POINTS_BACK.search(fragment):  # “and after that?”
        return None
    if not _QUESTION_WORD.match(fragment) and 0 < size <= _LONGEST_FRAGMENT:
        alone = size <= _LONGEST_UNLED and rest.rstrip().endswith("?") and not _OF_ITS_OWN.search(fragment)
        return put_in(fragment, turns) if leaning or alone else None
    return completed(rest, turns, leaning)


def _event(word: str, last: Turn) -> str:
    """“Why?” after “When did the Titanic sink?”: “Why did the Titanic sink?”"""
    parts = asked(last.question)
    who = antecedent(Kind.PERSON, [last]) if re.match(r"\w+ing\b", parts.subject) else ""
    if who:  # “who is leaving the company”
        return f"{word} {parts.auxiliary} {who} {parts.subject}?"
    anew = asked_anew(word, last.question)
    if anew:
        return anew[0].upper() + anew[1:] if last.question[:1].isupper() else anew
    about = topic(last)
    return f"{bare(about)}: {word.lower()}?" if about else f"{word}: {last.question}"

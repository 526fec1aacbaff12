"""What kind of answer a question expects, and what a sentence has to offer: a person, a number, a reason, …

English and Chinese; patterns only, so a clue is a hint, never a proof.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from retrieval.text import CJK, HAN


class Expected(StrEnum):
    PERSON = "person"
    REASON = "reason"
    NUMBER = "number"
    TIME = "time"
    PLACE = "place"
    MANNER = "manner"
    THING = "thing"
    """Anything else: what, which, and questions without a question word."""


_QUESTIONS = (
    (Expected.PERSON, r"\b(?:who|whom|whose)\b|[谁誰]|何人|哪位|什[么麼]人"),
    (
        Expected.REASON,
        r"\bwhy\b|\b(?:what|which)\b(?: \w+){0,3} (?:reasons?|caused?|causes|purpose)\b|"
        r"[为為]什[么麼]|[为為]何|原因|怎[么麼][会會]",
    ),
    (
        Expected.NUMBER,
        r"\bhow (?:many|much|old|long|far|tall|high|large|big|often|deep|fast|heavy|wide)\b|"
        r"\b(?:percent|percentage|number|population|amount|cost|price|ratio|proportion|distance|temperature)\b|"
        r"多少|几[个人次年天种名位座所]|幾[個人次年天種名位座所]|多[大高长長远遠久快重深宽寬]",
    ),
    (
        Expected.TIME,
        r"\bwhen\b|\b(?:what|which)\b(?: \w+){0,2} (?:year|date|day|month|century|decade|time|era|period|age)s?\b|"
        r"什[么麼][时時][候间間]|何[时時年]|哪[一]?[年天月]|[几幾]月|年份|日期|世[纪紀]",
    ),
    (
        Expected.PLACE,
        r"\bwhere\b|\b(?:what|which)\b(?: \w+){0,2} (?:city|country|place|state|location|town|region|continent|island|"
        r"river|province|county|area|nation|street)s?\b|哪[里裡儿兒]|何[处處地]|什[么麼]地方|哪(?:一)?[个個]?(?:国家|國家|城市|地方|省|州|[国國])",
    ),
    (Expected.MANNER, r"\bhow\b|怎[么麼][样樣]?|如何"),
)
_ASKS = tuple((expected, re.compile(pattern, re.IGNORECASE)) for expected, pattern in _QUESTIONS)


def expected(question: str) -> Expected:
    """The kind of answer a question asks for."""
    return next((kind for kind, pattern in _ASKS if pattern.search(question)), Expected.THING)


_DEFINED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:so |and |ok )?(?:what|who)(?:[’']?s| is| are| was| were|[’']re)(?: exactly)? (?:an? |the )?(.{2,60})",
        r"(?:please |can you |could you )*(?:tell me|explain|define|describe)(?: something)?(?: about)?(?: to me)? "
        r"(?:what )?(?:is |are )?(?:an? |the )?(.{2,60})",
        r"(?:请问|請問|请|請)?(?:什么是|什麼是|谁是|誰是|啥是|介绍一下|介紹一下|介绍|介紹|说说|說說)(.{1,20})",
        r"(?:请问|請問)?(.{1,20}?)(?:是什么|是什麼|是谁|是誰|是啥)(?:东西|東西|意思)?",
    )
)


def defined(question: str) -> str:
    """What a question wants explained: “black hole” for “what is a black hole?”; empty for any other question."""
    bare = question.strip(" \t\n?!.？！。")
    found = (pattern.fullmatch(bare) for pattern in _DEFINED)
    return next((match[1] for match in found if match), "")


_CAPITAL = f"[^\\W\\d_a-zß-öø-ÿ{CJK}]"
_CAPITALISED = re.compile(rf"\b{_CAPITAL}[\w'’-]+")
_FIRST = re.compile(r"[\W_]*(\w+)")
_YEAR = re.compile(
    r"\b(?:1\d{3}|20\d{2})s?\b|\b\d+(?:st|nd|rd|th)[ -]centur|\b\d+ (?:BCE?|AD|CE)\b|\d{3,4} ?年|公元前?\d+"
)
_DATE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b|\bcentur(?:y|ies)\b|\bdecades?\b|"
    r"\d+ ?[月日]|世[纪紀]|年代|[时時]期|朝代"
)
_NUMBER = re.compile(
    r"\d[\d,.]*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|twenty|thirty|forty|fifty|"
    r"hundreds?|thousands?|millions?|billions?|half|third|quarter|percent|several)\b|"
    r"[一二三四五六七八九十百千万萬亿億两兩半]+[个個人次年天种種名位座所倍成分条條公大类類件只隻级層层回]",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|due to|since|so that|in order to|as a result|results? (?:in|from)|resulted (?:in|from)|"
    r"caus(?:e|es|ed|ing)|after \w+ing|therefore|thus|reason|lead|led to|owing|for fear|"
    r"to (?:avoid|prevent|allow|make|ensure|protect|reduce|increase))\b|"
    r"因[为為]|由[于於]|[导導]致|以便|[为為]了|原因|所以|因此|使得",
    re.IGNORECASE,
)
_PLACE = re.compile(
    rf"\b(?:in|at|near|from|to|of|on|between|along|outside|inside|across) (?:the )?{_CAPITAL}|"
    r"位[于於]|[国國省市县縣州区區岛島河湖山洲港]"
)
_MEASURE = re.compile(
    r"\b(?:years?|months?|weeks?|days?|hours?|minutes?|seconds?|miles?|km|kilomet\w+|met(?:er|re)s?|feet|ft|kg|tons?|"
    r"tonnes?|degrees?|percent|dollars|pounds)\b|[%$£€°]|公里|千米|公斤|公尺|平方|美元|[％元米度岁歲吨噸]",
    re.IGNORECASE,
)
_AGENT = re.compile(rf"\bby (?:the )?{_CAPITAL}|[{HAN}]·[{HAN}]|由[{HAN}]|[家人者]")


@dataclass(frozen=True, slots=True)
class Clues:
    """What a sentence offers. Words are in lower case."""

    capitalised: frozenset[str]
    """Capitalised words inside the sentence."""
    first: str
    """The first word, if it is capitalised: it may be a name."""
    numbers: frozenset[str]
    years: frozenset[str]
    date: bool
    reason: bool
    place: bool
    measure: bool
    agent: bool


@lru_cache(maxsize=16384)
def clues(sentence: str) -> Clues:
    """What a sentence offers."""
    first = _FIRST.match(sentence)
    word = first[1] if first else ""
    inner = _CAPITALISED.findall(sentence, first.end() if first else 0)
    return Clues(
        capitalised=frozenset(name.lower() for name in inner),
        first=word.lower() if word[:1].isupper() else "",
        numbers=frozenset(match[0].lower().rstrip(".,") for match in _NUMBER.finditer(sentence)),
        years=frozenset(match[0].lower() for match in _YEAR.finditer(sentence)),
        date=_DATE.search(sentence) is not None,
        reason=_REASON.search(sentence) is not None,
        place=_PLACE.search(sentence) is not None,
        measure=_MEASURE.search(sentence) is not None,
        agent=_AGENT.search(sentence) is not None,
    )

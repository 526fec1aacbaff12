"""English pronouns in a follow-up question give way to what they stand for; those that refer to nothing are found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.mentions import Kind, Turn, antecedent, names, topic
from retrieval.text import STOPWORDS, word_set

_KINDS = {
    **dict.fromkeys(("he", "him", "his", "she", "her", "hers", "himself", "herself"), Kind.PERSON),
    **dict.fromkeys(("it", "its", "itself"), Kind.THING),
    **dict.fromkeys(("they", "them", "their", "theirs"), Kind.GROUP),
    **dict.fromkeys(("there",), Kind.PLACE),
}
_POSSESSIVES = word_set("his its their hers theirs")
_PRONOUN = re.compile(rf"\b(?:{'|'.join(_KINDS)})\b", re.IGNORECASE)
_HER_WHOSE = re.compile(r"\s+(?!(?:and|or|in|on|at|to|for|from|with|as|so|first|last|when|if|then|that|a|the)\b)\w")
_MOVED = re.compile(r"\b(?:get|go|got|went|come|came|travel|fly|drive|walk|move|moved|sail|sailed)\s+\Z", re.IGNORECASE)
_EXPLETIVE_IT = re.compile(
    r"\b(?:what time|what day|what year) is it\b|\b(?:is|was) it (?:true|possible|raining|snowing|late)\b|"
    r"\bhow(?: is|'s) it going\b|\bhow does it feel to\b|"
    r"\b(?:is|was) it \w+(?: (?:for|of) \w+)? (?:to|that|if) \w|\bdoes it (?:take|mean|matter|cost|make sense)"
    r"(?: \w+)? to\b|\bit (?:is|was) (?:true|possible|said|known|thought)\b|\bit takes?\b.* to\b|\bmake it\b",
    re.IGNORECASE,
)
_EXISTENTIAL = re.compile(
    r"\b(?:is|are|was|were|be|been|isn't|aren't|has|have) there\b|"
    r"\bthere(?:'s|'re)? (?:is|are|was|were|be|been|a|any|no)\b|"
    r"^there\b|\bthere['’]",
    re.IGNORECASE,
)
_RELATIVES = {
    pronoun: re.compile(rf"[A-Z][\w.-]*(?: [\w.-]+){{0,3}}['’]s? (?:{relatives})\b")
    for pronouns, relatives in (
        ("he him his", "dad|father|husband|brother|son|grandfather|uncle|boyfriend"),
        ("she her hers", "mum|mom|mother|wife|sister|daughter|grandmother|aunt|girlfriend"),
    )
    for pronoun in pronouns.split()
}
_THEY_THERE = re.compile(r"\bthey\b(?=.*\bthere\b)", re.IGNORECASE)
_SOMEBODY = re.compile(
    r"\b(?:do|does|did|will|would|can) they "
    r"(?:pay|give|let|ask|want|say|call|tell|charge|send|offer|hire|accept|open)\b",
    re.IGNORECASE,
)
"""“They” who run a thing: nobody that was named."""
_OWN_NOUN = re.compile(
    r"\b(?:a|an|the|my|your|our|some|any|all|most|many|do|does|did|are|is|can|could|will|would|should|why|how)\s+"
    r"(?P<noun>[a-z]{3,}(?:'s)?)\b",
    re.IGNORECASE,
)
_OWN_PERSON = re.compile(
    r"\b(?:someone|somebody|anyone|anybody|everyone|(?:a|an|the|my|your)\s+(?:\w+\s+)?(?:person|man|woman|child|king|"
    r"queen|president|\w+(?:er|or|ist|ian)))\b",
    re.IGNORECASE,
)
_NO_NOUN = STOPWORDS | word_set(
    "many much old long far tall high large big often deep fast wide heavy name number only first anyone anybody "
    "everyone else people"
)
_POINTED_AT = (
    (
        Kind.PLACE,
        "country city place town island region continent state capital river lake mountain planet area village",
    ),
    (
        Kind.THING,
        "war battle book film movie play song poem team company event animal plant disease language school university "
        "building bridge tower theory law game sport invention discovery machine substance element drug medicine year "
        "century period revolution empire painting instrument organisation organization process method",
    ),
    (
        Kind.PERSON,
        "person man woman scientist king queen emperor president author writer artist painter leader inventor",
    ),
)
_THAT_NOUN = tuple(
    (kind, re.compile(rf"\b(?:this|that|these|those|the same) ({'|'.join(nouns.split())})s?\b", re.IGNORECASE))
    for kind, nouns in _POINTED_AT
)
_THAT = re.compile(
    r"\b(?:(?<=is )|(?<=was )|(?<=did )|(?<=does )|(?<=has )|(?<=about )|(?<=of )|(?<=like )|"
    r"(?<=do )|(?<=for )|(?<=with )|(?<=from ))(?:that|this)\b(?= (?:happen|mean|work|called|made|"
    r"done|begin|start|end|discovered|invented)\b|\W*$)",
    re.IGNORECASE,
)
_IS_THAT = re.compile(r"^\W*(?:is|was|what(?:'s| is| was)|who(?:'s| is| was)) (?:that|this)\W*$", re.IGNORECASE)


def replaced(question: str, turns: Sequence[Turn]) -> str:
    """The question with each pronoun that refers to an earlier turn replaced."""
    found: dict[Kind, str] = {}
    pieces, at = [], 0
    for match in _referring(question):
        word = match[0].lower()
        kind = _KINDS[word]
        if kind not in found:
            found[kind] = _relative(word, turns[-1].question) or antecedent(kind, turns, question)
        name = found[kind]
        if not name:
            continue
        owner = word in _POSSESSIVES or (word == "her" and _HER_WHOSE.match(question, match.end()) is not None)
        if kind is Kind.PLACE:
            name = f"{'to' if _MOVED.search(question[: match.start()]) else 'in'} {name}"
        pieces += [question[at : match.start()], f"{name}'s" if owner else name]
        at = match.end()
    text = "".join([*pieces, question[at:]])
    return text if pieces else _that_replaced(question, turns)


def _relative(pronoun: str, last: str) -> str:
    """“Ada Lovelace's dad”, whom “he” means after a question about him; empty where there is none."""
    relative = _RELATIVES.get(pronoun)
    match = relative.search(last) if relative else None
    return match[0] if match else ""


def dangling(question: str) -> str:
    """The first pronoun that refers to nothing in the question itself; empty where there is none."""
    return next((match[0] for match in _referring(question)), "")


def is_person(pronoun: str) -> bool:
    """Whether a pronoun stands for a person: “she”."""
    return _KINDS.get(pronoun.lower()) is Kind.PERSON


def _referring(question: str) -> list[re.Match[str]]:
    """The pronouns that refer to something outside the question."""
    own = [
        match.span()
        for pattern in (_EXPLETIVE_IT, _EXISTENTIAL, _SOMEBODY, _THEY_THERE)
        for match in pattern.finditer(question)
    ]
    return [
        match
        for match in _PRONOUN.finditer(question)
        if not any(start <= match.start() < end for start, end in own)
        and not _bound(question, *match.span(), _KINDS[match[0].lower()])
    ]


def _bound(question: str, start: int, end: int, kind: Kind) -> bool:
    """Whether a pronoun refers to something in the question itself: “How do bees find their way?”"""
    before = question[:start]
    if any(name.start + len(name.text) <= start for name in names(before)):
        # “When did Germany invade it?”: an object at the end is somebody else's.
        return kind is Kind.PERSON or not (kind is Kind.THING and re.fullmatch(r"\W*", question[end:]))
    if kind is Kind.PERSON:
        return _OWN_PERSON.search(before) is not None
    if kind is Kind.PLACE or re.search(r"\b(?:of|about|like)\s+\Z", before, re.IGNORECASE):
        return False
    if question[start:end].lower() in ("it", "them") and re.fullmatch(r"\W*", question[end:]):
        return False
    return any(match["noun"].lower() not in _NO_NOUN for match in _OWN_NOUN.finditer(before))


def _that_replaced(question: str, turns: Sequence[Turn]) -> str:
    for kind, pattern in _THAT_NOUN:
        match = pattern.search(question)
        name = antecedent(kind, turns) if match else ""
        if match and name:
            noun = match[1].lower()
            named = name if noun in name.lower() else f"the {noun} {name}"
            return f"{question[: match.start()]}{named}{question[match.end() :]}"
    match = None if _IS_THAT.match(question) else _THAT.search(question)
    about = (antecedent(Kind.THING, turns) or topic(turns[-1])) if match else ""
    return f"{question[: match.start()]}{about}{question[match.end() :]}" if match and about else question

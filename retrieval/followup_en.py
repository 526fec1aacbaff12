"""English follow-up questions: pronouns replaced by what they stand for, left-out parts put back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.mentions import Kind, Turn, antecedent, names, topic_phrase
from retrieval.text import STOPWORDS, word_set

_LEAD_IN = re.compile(r"^\s*(?:(?:and|but|so|or|also|then|ok|okay|well)\b[ ,]*)+", re.IGNORECASE)
_BARE = re.compile(
    r"^(why|when|where|how|who|since when|how come|how many|how much|why not|how so|by whom|with whom|"
    r"for how long)\W*$",
    re.IGNORECASE,
)
_HAPPENED = re.compile(r"^(why|when|where|how) did (?:it|that|this) (?:happen|occur|take place)\W*$", re.IGNORECASE)
_WHAT_ABOUT = re.compile(r"^(?:what|how) about\s+(.+?)\W*$", re.IGNORECASE)
_MORE = re.compile(
    r"^(?:(?:can|could) you )?(?:please )?(?:tell me more|more(?: details?)?|go on|continue|elaborate|"
    r"explain(?: more| further)?|"
    r"give (?:me )?(?:more )?(?:details|an example|examples)|for example|any(?: more)? details|anything else|what else|"
    r"say more)(?: please)?\W*$",
    re.IGNORECASE,
)
_QUESTION_WORD = re.compile(
    r"^(?:who|whom|whose|what|when|where|why|which|how|is|are|was|were|do|does|did|can|could|has|have|had|will|would|"
    r"should|may|tell|explain|describe|give|list|name|show|compare|write|say|please)\b",
    re.IGNORECASE,
)
_LONGEST_FRAGMENT = 5  # words

_KINDS = {
    **dict.fromkeys(("he", "him", "his", "she", "her", "hers", "himself", "herself"), Kind.PERSON),
    **dict.fromkeys(("it", "its", "itself"), Kind.THING),
    **dict.fromkeys(("they", "them", "their", "theirs"), Kind.GROUP),
    **dict.fromkeys(("there",), Kind.PLACE),
}
_POSSESSIVES = word_set("his its their hers theirs")
_PRONOUN = re.compile(rf"\b(?:{'|'.join(_KINDS)})\b", re.IGNORECASE)
_HER_WHOSE = re.compile(r"\s+(?!(?:and|or|in|on|at|to|for|from|with|as|so)\b)\w")  # “her work”, not “met her in”
_EXPLETIVE_IT = re.compile(
    r"\b(?:what time|what day|what year) is it\b|\b(?:is|was) it (?:true|possible|raining|snowing|late|going)\b|"
    r"\b(?:is|was) it \w+(?: (?:for|of) \w+)? (?:to|that|if)\b|\bdoes it (?:take|mean|matter|cost|make sense)"
    r"(?: \w+)? to\b|\bit (?:is|was) (?:true|possible|said|known|thought)\b|\bit takes?\b.* to\b|\bmake it\b",
    re.IGNORECASE,
)
_EXISTENTIAL = re.compile(
    r"\b(?:is|are|was|were|be|been|isn't|aren't|has|have) there\b|"
    r"\bthere(?:'s|'re)? (?:is|are|was|were|be|been|a|any|no)\b|"
    r"^there\b",
    re.IGNORECASE,
)
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
    "many much old long far tall high large big often deep fast wide heavy name number only first"
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
    r"\b(?:(?<=is )|(?<=was )|(?<=did )|(?<=does )|(?<=has )|(?<=about )|(?<=of )|(?<=after )|(?<=before )|(?<=like )|"
    r"(?<=do )|(?<=for )|(?<=with )|(?<=from ))(?:that|this)\b(?= (?:happen|mean|work|possible|true|so|called|made|"
    r"done|begin|start|end|discovered|invented)\b|\W*$)",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:1\d{3}|20\d{2})s?\b")
_PREPOSITION = re.compile(r"^(?:in|at|on|for|of|by|from|to|with|during|after|before|since|the)\s+", re.IGNORECASE)


def rewrite(question: str, turns: Sequence[Turn]) -> str | None:
    """The question made to stand alone, or None where it stands alone already."""
    led = _LEAD_IN.match(question)
    rest = question[led.end() :] if led else question
    rest = rest or question
    if _MORE.match(rest):
        topic = antecedent(Kind.THING, turns)
        return f"Tell me more about {topic}" if topic else turns[-1].question
    bare = _BARE.match(rest) or _HAPPENED.match(rest)
    if bare:
        return _asked_anew(bare[1], turns[-1].question)
    replaced = _pronouns_replaced(rest, turns)
    about = _WHAT_ABOUT.match(replaced)
    if about:
        return replaced[about.start(1) :] if replaced != rest else _put_in(about[1], turns)
    if replaced != rest:
        return replaced
    fragment = len(rest.split()) <= _LONGEST_FRAGMENT and not _QUESTION_WORD.match(rest)
    if fragment and (led or rest.rstrip().endswith("?")):
        return _put_in(rest.rstrip(" ?.!"), turns)
    return None


def _pronouns_replaced(question: str, turns: Sequence[Turn]) -> str:
    """The question with each pronoun that refers to an earlier turn replaced."""
    expletive = [match.span() for pattern in (_EXPLETIVE_IT, _EXISTENTIAL) for match in pattern.finditer(question)]
    found: dict[Kind, str] = {}
    pieces, at = [], 0
    for match in _PRONOUN.finditer(question):
        word = match[0].lower()
        kind = _KINDS[word]
        if any(start <= match.start() < end for start, end in expletive) or _bound(question, *match.span(), kind):
            continue
        if kind not in found:
            found[kind] = antecedent(kind, turns, question)
        name = found[kind]
        if not name:
            continue
        owner = word in _POSSESSIVES or (word == "her" and _HER_WHOSE.match(question, match.end()) is not None)
        here = kind is Kind.PLACE
        pieces += [question[at : match.start()], f"in {name}" if here else f"{name}'s" if owner else name]
        at = match.end()
    text = "".join([*pieces, question[at:]])
    return text if pieces else _that_replaced(question, turns)


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
            return f"{question[: match.start()]}the {match[1].lower()} {name}{question[match.end() :]}"
    match = _THAT.search(question)
    topic = antecedent(Kind.THING, turns) if match else ""
    return f"{question[: match.start()]}{topic}{question[match.end() :]}" if match and topic else question


_ASKED = re.compile(
    r"^\W*(?:(?:in |on |at |from |to )?(?:what|which) \w+|how (?:many|much|old|long|far|tall)(?: \w+)?|"
    r"who|whom|what|when|where|why|how)\b",
    re.IGNORECASE,
)


def _asked_anew(word: str, question: str) -> str:
    """“Why?” after “When did the Titanic sink?”: “Why did the Titanic sink?”"""
    asked = _ASKED.match(question)
    rest = question[asked.end() :].strip() if asked else question
    if asked and not re.match(r"(?:is|are|was|were|do|does|did|can|has|have|had|will)\b", rest, re.IGNORECASE):
        return f"{word.capitalize()}: {question}"
    return f"{word.capitalize()} {rest}"


def _put_in(fragment: str, turns: Sequence[Turn]) -> str:
    """The last question with the fragment in the place of what it replaces: a year, a name, or what is asked for."""
    question = turns[-1].question
    year = _YEAR.search(fragment)
    if year:
        old = _YEAR.search(question)
        if old:
            return question[: old.start()] + year[0] + question[old.end() :]
        lead = "" if _PREPOSITION.match(fragment) else "in "
        return f"{question.rstrip(' ?.!')} {lead}{fragment}?"
    bare = _PREPOSITION.sub("", fragment)
    if next(names(bare), None) is not None:
        known = list(names(question))
        if known:
            old_name = known[-1]
            return question[: old_name.start] + bare + question[old_name.start + len(old_name.text) :]
        phrase = topic_phrase(question)
        if phrase and not _PREPOSITION.match(fragment):
            return question.replace(phrase, bare, 1)
        return f"{question.rstrip(' ?.!')} {fragment}?"
    phrase = topic_phrase(question)
    if phrase and not fragment.lower().startswith("the ") and not _PREPOSITION.match(fragment):
        return question.replace(phrase, fragment, 1)
    topic = antecedent(Kind.THING, turns)
    lead = "" if not topic or topic.lower() in fragment.lower() else f" of {topic}"
    return f"{fragment}{lead}?" if topic else f"{question.rstrip(' ?.!')} {fragment}?"

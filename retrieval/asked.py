"""An English question taken apart: question word, auxiliary, subject, verb, object. What is it about, and when was it?

No tagger: the auxiliary says where the subject begins, closed lists of verbs and prepositions say where it ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from retrieval.english import (
    ADVERBS,
    BASES,
    BELONGING,
    FINITE,
    GENERIC,
    PREPOSITIONS,
    SUBJECT_PRONOUNS,
    is_participle,
    is_plural,
    participle,
)
from retrieval.text import STOPWORDS, word_set

_ABOUT = re.compile(
    r"^\W*(?:(?:can|could|would) you )?(?:please )?(?:(?:tell me|i want to know|what do you know|what can you tell me) "
    r"(?:more |something )?about|explain|describe|define|(?:tell me )?what is meant by)\s+(?P<what>[^?!.,;:]+)",
    re.IGNORECASE,
)
_TELL = re.compile(r"^\W*(?:(?:can|could) you )?(?:please )?(?:tell me|do you know)\s+", re.IGNORECASE)
_AUXILIARY = (
    r"is|are|was|were|am|does|do|did|can|could|has|have|had|will|would|should|shall|may|might|must|isn't|aren't|wasn't|"
    r"weren't|doesn't|don't|didn't|can't|couldn't|won't|wouldn't"
)
_FRAME = re.compile(
    r"^\W*(?P<word>(?:(?:in|on|at|by|for|from|to|with|of|against|during|since) )?(?:how (?:many|much|old|long|far|tall|"
    r"high|large|big|often|deep|fast|wide|heavy|hot|cold|strong|small|thick|soon|late|early|expensive|good|bad|"
    r"dangerous|come)|how|what|which|whose|whom|who|when|where|why))(?:'s|’s)?\b",
    re.IGNORECASE,
)
_CONTRACTED = re.compile(r"^\W*(?:who|what|when|where|why|how)['’]s\b", re.IGNORECASE)
_BE = word_set("is are was were am isn't aren't wasn't weren't")
_COUNTS = re.compile(r"(?:which|what|whose|how many|how much)\Z", re.IGNORECASE)
_DETERMINER = word_set("a an the some any my your our his her its their this that these those every each all both")
_ORDINAL = word_set("first second third last next other main only same")
_LAST_WORDS = re.compile(r"[?!.;:]+\W*\Z|[\"“”()]")
_PREDICATES = word_set(
    "important famous big large tall long old hot cold high deep fast wide heavy small dangerous expensive dead alive "
    "true real possible made-up like worth considered good bad so such not red blue yellow green black white"
)
_PLACED = re.compile(r"(?:in|on|at|of|from|about|by) (?P<what>(?!\d)[^,]+)", re.IGNORECASE)
_TOPIC_FIRST = re.compile(r"(?P<about>[^:?]{2,60}): (?=\S)")
_DETERMINED = re.compile(r"(?:the|a|an|my|our|this) \w", re.IGNORECASE)
_ALSO_ASKED = re.compile(r",? and (?:when|where|who|why|how|what)\b.*", re.IGNORECASE | re.DOTALL)
_MOST_WORDS = 9
_SUPERLATIVE = re.compile(
    r"(?:the )?(?:most \w+|least \w+|\w{2,}est|first|last|best|worst|second|third)\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts, as they were typed; empty where a question has none."""

    word: str = ""
    """“how many”, “in which”, “who”."""
    counted: str = ""
    """The noun of the question word: “days off” of “how many days off”."""
    auxiliary: str = ""
    subject: str = ""
    verb: str = ""
    object: str = ""
    rest: str = ""
    about: str = ""
    """What stands before a colon: “Titanic: how many lifeboats?”"""

    @property
    def replaceable(self) -> str:
        """The noun phrase that another may take the place of; empty where there is none."""
        return next((phrase for phrase in (self.subject, self.object, self.counted) if _names_something(phrase)), "")

    @property
    def topic(self) -> str:
        """The noun phrase that the question is about; empty where there is none of up to nine words."""
        if self.about:
            return self.about
        placed = _PLACED.match(self.rest)
        where = placed["what"] if placed else ""
        phrases = (self.replaceable, where)
        if (
            self.object
            and self.object.islower()
            and not _DETERMINED.match(self.object)
            and _DETERMINED.match(where)
            and not _names_something(self.subject)
        ):
            phrases = (where, self.replaceable)  # “can I use foil in the air fryer?” – “it” is the fryer
        return next((phrase for phrase in phrases if _names_something(phrase)), "")


def _names_something(phrase: str) -> bool:
    words = phrase.lower().split()
    return (
        0 < len(words) <= _MOST_WORDS
        and words[0] not in SUBJECT_PRONOUNS
        and not _SUPERLATIVE.match(phrase)
        and not all(word in STOPWORDS or word in GENERIC or word in ADVERBS or word in _DETERMINER for word in words)
    )


def asked(question: str) -> Asked:
    """The parts of a question."""
    first = _TOPIC_FIRST.match(question)
    if first:
        return replace(asked(question[first.end() :]), about=first["about"])
    question = _ALSO_ASKED.sub("", _LAST_WORDS.sub(" ", question), count=1).strip()
    about = _ABOUT.match(question)
    if about:
        return Asked(object=about["what"].strip())
    question = _TELL.sub("", question, count=1)
    frame = _FRAME.match(question)
    if not frame:
        return _after_auxiliary("", "", question.split())
    contracted = _CONTRACTED.match(question)
    words = question[frame.end() :].split()
    if contracted:
        words = ["is", *words]
    counted: list[str] = []
    if _COUNTS.search(frame["word"]):
        while words and not re.fullmatch(_AUXILIARY, words[0], re.IGNORECASE) and len(counted) < 5:
            if counted and (words[0].lower() in FINITE or words[0].lower() in PREPOSITIONS):
                break
            if (
                not counted
                and words[0].lower() in FINITE - BELONGING
                and len(words) > 1
                and frame["word"] != "how many"
            ):
                break
            counted.append(words.pop(0))
    return _after_auxiliary(frame["word"], " ".join(counted), words)


def _after_auxiliary(word: str, counted: str, words: list[str]) -> Asked:
    if not words:
        return Asked(word, counted)
    if not re.fullmatch(_AUXILIARY, words[0], re.IGNORECASE):
        if not word:
            return Asked(object=" ".join(words[: _phrase(words)]))
        if counted and words[0].lower() not in FINITE:  # “how many continents on Earth”
            return Asked(word, f"{counted} {' '.join(words)}")
        size = _phrase(words[1:])
        return Asked(word, counted, "", "", words[0], " ".join(words[1 : 1 + size]), " ".join(words[1 + size :]))
    auxiliary, words = words[0], words[1:]
    if auxiliary.lower() in _BE:
        reached = re.match(r"(?:the )?(first|last|second|third) to (\w+) (.+)", " ".join(words), re.IGNORECASE)
        if reached:
            done = reached[3].split()
            size = _phrase(done)
            return Asked(word, counted, auxiliary, "", reached[2], " ".join(done[:size]), reached[1])
        size = 0 if counted and words and is_participle(words[0]) else _predicated(words)
        return Asked(word, counted, auxiliary, " ".join(words[:size]), "", "", " ".join(words[size:]))
    size = _until_base(words)
    after = words[size + 1 :]
    object_size = _phrase(after)
    return Asked(
        word,
        counted,
        auxiliary,
        " ".join(words[:size]),
        " ".join(words[size : size + 1]),
        " ".join(after[:object_size]),
        " ".join(after[object_size:]),
    )


def _bare(word: str) -> str:
    return word.lower().strip(",'’\"")


def _goes_on(words: list[str], at: int) -> bool:
    """Whether the word before cannot end a noun phrase: “the first …”."""
    return at == 0 or _bare(words[at - 1]) in _DETERMINER or _bare(words[at - 1]) in ("of", "most", "very")


def _phrase(words: list[str]) -> int:
    """How many of the words are one noun phrase: up to a preposition, an adverb or a comma; “of” goes on."""
    for at, word in enumerate(words):
        low = _bare(word)
        stops = low in PREPOSITIONS or (low in ADVERBS and not _days_off(words, at))
        if stops and not (_goes_on(words, at) and low not in PREPOSITIONS):
            return at
        if word.endswith(","):
            return at + 1
    return len(words)


def _days_off(words: list[str], at: int) -> bool:
    return at > 0 and _bare(words[at]) == "off" and _bare(words[at - 1]) in ("day", "days", "time", "year")


def _predicated(words: list[str]) -> int:
    """How many words after “is” are the subject: up to a participle or adjective; all of them where there is none."""
    for at, word in enumerate(words):
        low = _bare(word)
        if _goes_on(words, at):
            continue
        adverb = low in ADVERBS and at + 1 < len(words) and is_participle(words[at + 1])
        if is_participle(low) or adverb or (low in _PREDICATES and at + 1 == len(words)) or low.endswith("ing"):
            return at
        if low in ("used", "from", "for", "about", "like", "and", "when", "because", "if"):
            return at
    return len(words)


def _until_base(words: list[str]) -> int:
    """How many words after “did” are the subject: up to the first verb; without one, up to the last likely one."""
    if words and _bare(words[0]) in SUBJECT_PRONOUNS - word_set("that this these those"):
        return 1
    for at, word in enumerate(words):
        if _bare(word) in BASES and not (_goes_on(words, at) or _bare(words[at - 1]) in _ORDINAL):
            return at
    return max(_phrase(words) - 1, min(1, len(words)))


def the(phrase: str) -> str:
    """The phrase as something known: “the flat tyre” of “a flat tyre”; names and materials stay bare."""
    first, _, rest = phrase.partition(" ")
    return f"the {rest}" if first.lower() in ("a", "an", "some", "any") and rest else phrase


def bare(phrase: str) -> str:
    """Without its article: “boiler repair”."""
    first, _, rest = phrase.partition(" ")
    return rest if first.lower() in ("a", "an", "the", "some", "any") and rest else phrase


def asked_anew(word: str, question: str) -> str:
    """The event of a question, asked for by another question word; empty where that cannot be said.

    “when” and “Who discovered penicillin?” make “when was penicillin discovered?”
    """
    parts = asked(question)
    rest = f" {parts.rest}" if parts.rest else ""
    low = parts.auxiliary.lower()
    modal = re.match(r"(?:do|does|did|can|could|will|would|should)\Z", low)
    if word.lower() == "why not" and not modal:
        return ""
    if parts.about:
        return ""
    if low in _BE and parts.verb and parts.object:  # “who was first to reach the South Pole”
        done = participle(parts.verb)
        was = "were" if is_plural(parts.object) else "was"
        return f"{word} {was} {parts.object} {done} {parts.rest}?" if done else ""
    if not parts.auxiliary:
        done = participle(parts.verb)
        if not done or not parts.object or not _names_something(parts.object):
            return ""
        return f"{word} {'were' if is_plural(parts.object) else 'was'} {parts.object} {done}{rest}?"
    if low in _BE:
        if not _names_something(parts.subject) or (not parts.rest and word.lower() in ("why", "how", "why not")):
            return ""
        if not parts.rest and (
            parts.subject[:1].isupper() or (low in ("is", "are") and not word.lower().startswith("where"))
        ):
            return ""  # “who was Nelson Mandela” – “when?”
        return f"{word} {parts.auxiliary} {parts.subject}{rest}?"
    if not parts.subject or not parts.verb or (parts.counted and not parts.object):
        return ""
    negated = " not" if word.lower() == "why not" else ""
    head = word[:3] if negated else word
    rest = f"{' ' + parts.object if parts.object else ''}{rest}"
    return f"{head} {parts.auxiliary} {parts.subject}{negated} {parts.verb}{rest}?"

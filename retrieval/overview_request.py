"""Does a message ask what a document is about, or for its summary? And which words name the document?

“What is this about?”, “Summarise report.pdf”, “给我《标题》的要点”. Patterns only (`retrieval.overview_phrases`): the
phrase around a name (“key points of …”) and the name itself are looked at apart. “Summarise the causes of the war”
names no document in so many words: whether it asks for an overview depends on whether there is a document of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from retrieval import overview_phrases as say
from retrieval.english import spelled
from retrieval.overview_phrases import Frames, Naming
from retrieval.overview_phrases_en import ENGLISH
from retrieval.overview_phrases_zh import CHINESE
from retrieval.patterns import any_of, lines
from retrieval.text import HAN, simplified

__all__ = ["Naming", "OverviewRequest", "another", "is_noun", "overview_request"]

_LONGEST = 300
"""Characters; whoever writes more asks for something of their own."""
_LONGEST_NAME = 120
_COURTESIES = 6
"""Before and after a request, that are looked through."""
_DETAILED = 10
"""Sentences, where a detailed summary is wanted."""


@dataclass(frozen=True, slots=True)
class OverviewRequest:
    """An overview that is asked for."""

    naming: Naming
    names: tuple[str, ...] = ()
    """What the document may be called, the likeliest first; empty where it is not named."""
    noun: str = ""
    """The word for a document that was used, in lower case."""
    certain: bool = False
    """Whether nothing but a document can be meant: “report.pdf”, “the file I uploaded”."""
    own: bool = False
    """Whether it is one of the visitor's own."""
    which: str = ""
    """`oldest`, `other`, or empty: which one among several."""
    sums: bool = True
    """Whether a summary is asked for, and not what a thing is about."""
    sentences: int = 0
    """How many sentences or points are asked for; 0 where it is left open."""


class _Name(NamedTuple):
    naming: Naming
    names: tuple[str, ...] = ()
    noun: str = ""
    certain: bool = False
    own: bool = False
    which: str = ""


_DOUBTFUL = (Naming.DESCRIBED, Naming.PERHAPS)
"""A courtesy may have been taken for part of the name: with less of it the name may be another."""


# Patterns


@dataclass(frozen=True, slots=True)
class _Tongue:
    """`Phrases` of one language, compiled."""

    frames: tuple[tuple[Frames, tuple[re.Pattern[str], ...]], ...]
    nouns: dict[str, re.Pattern[str]]
    named: tuple[tuple[Naming, re.Pattern[str]], ...]
    before: re.Pattern[str]
    after: re.Pattern[str]
    preamble: re.Pattern[str]
    this: re.Pattern[str]
    all: re.Pattern[str]
    never: re.Pattern[str]
    own: re.Pattern[str]


_PHRASES = {"en": ENGLISH, "zh": CHINESE}
_SIMPLE = ("before", "after", "preamble", "this", "all", "never", "own")
_QUOTES = (
    ("“", "”"),
    ("‘", "’"),
    ("«", "»"),
    ("《", "》"),
    ("〈", "〉"),
    ("「", "」"),
    ("『", "』"),
    ('"', '"'),
    ("'", "'"),
)
_QUOTED = any_of("\n".join(f"{left}(?P<q{i}>[^{left}{right}]+){right}" for i, (left, right) in enumerate(_QUOTES)))
_FILE = rf"(?P<file>\S.*\.{say.SUFFIX})"


@cache
def _tongue(code: str) -> _Tongue:
    said = _PHRASES[code]
    fills = {name: f"(?:{words})" for name, words in said.lists.items()} | {"x": "(?P<x>.+?)"}
    return _Tongue(
        frames=tuple(
            (frames, tuple(_compiled(line.format(**fills)) for line in lines(frames.lines))) for frames in said.frames
        ),
        nouns={strength: _compiled(words) for strength, words in said.nouns.items()},
        named=tuple(
            (naming, _compiled(pattern.replace("{title}", _QUOTED).replace("{file}", _FILE)))
            for naming, pattern in said.named
        ),
        **{name: _compiled(getattr(said, name)) for name in _SIMPLE},
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def is_noun(noun: str, *strengths: str) -> bool:
    """Whether a word for a document is of one of these strengths (`Phrases.nouns`)."""
    plain = simplified(noun)
    return any(_tongue(code).nouns[strength].fullmatch(plain) for code in _PHRASES for strength in strengths)


# Messages

_HAN = re.compile(f"[{HAN}]")
_LATIN = re.compile(r"[a-zA-Z]{2}")
_IDIOM, _FOLLOW_UP = _compiled(say.IDIOM), _compiled(say.FOLLOW_UP)
_SENTENCE_END = re.compile(r"(?<=[.!?;:\n])\s+(?=\S)|(?<=[。！？；\n])\s*(?=\S)|,\s+(?=\w+(?:'s)? )|，(?=.)")
_MARKS = r"\s!?.,~。！？，、…:：;；\-–—\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d"
_EDGE = re.compile(rf"^[{_MARKS}]+|[{_MARKS}]+$")
_BETWEEN_HAN = re.compile(rf"(?<=[{HAN}，。！？、：])\s+|\s+(?=[{HAN}，。！？、：])")


def overview_request(message: str) -> OverviewRequest | None:
    """What a message wants an overview of; None where it asks for something else."""
    text = _straightened(message)
    if not text or len(text) > _LONGEST or _IDIOM.fullmatch(text):
        return None
    found = None
    if _LATIN.search(text):
        found = _in(_tongue("en"), spelled(text))
    if _HAN.search(text) and (found is None or found.naming is Naming.PERHAPS):
        found = _in(_tongue("zh"), _BETWEEN_HAN.sub("", text)) or found
    return found


def another(message: str) -> OverviewRequest | None:
    """What a message after an overview wants another one of: “and notes.txt?”, “那第二个文件呢？”."""
    text = _bare(_straightened(message))
    followed = _FOLLOW_UP.fullmatch(simplified(text)) if len(text) <= _LONGEST_NAME else None
    if followed is None:
        return None
    start, end = next(followed.span(name) for name, words in followed.groupdict().items() if words)
    name = _meant(_tongue("zh" if _HAN.search(text) else "en"), text[start:end])
    if name is None or name.naming in (Naming.THIS, Naming.ALL):
        return None
    return OverviewRequest(*name)


def _straightened(message: str) -> str:
    return " ".join(re.sub("[’＇]", "'", message).split())


def _bare(text: str) -> str:
    while (less := _EDGE.sub("", text)) != text:
        text = less
    return text


def _in(tongue: _Tongue, text: str) -> OverviewRequest | None:
    """The request in a message: its last sentence that is one, where the others only lead to it."""
    whole = _asked(tongue, _bare(text), text)
    said = [part for part in map(_bare, _SENTENCE_END.split(text)) if part and not _is_courtesy(tongue, part)]
    if whole is not None and (whole.naming is not Naming.PERHAPS or len(said) < 2):
        return whole
    for i in reversed(range(len(said))):
        if all(tongue.preamble.fullmatch(simplified(other)) for other in (*said[:i], *said[i + 1 :])):
            found = _asked(tongue, said[i], text)
            if found is not None and found.naming is not Naming.PERHAPS:
                return found
    return whole


def _is_courtesy(tongue: _Tongue, part: str) -> bool:
    plain = simplified(part)
    for _ in range(_COURTESIES):
        plain = _bare(tongue.after.sub("", tongue.before.sub("", plain)))
    return not plain


def _asked(tongue: _Tongue, text: str, message: str) -> OverviewRequest | None:
    """The request that one sentence is: the surest way to read it, with as few courtesies in it as can be."""
    best: OverviewRequest | None = None
    for asked in _stripped(tongue, text):
        read = [OverviewRequest(*name, sums=sums, sentences=_count(message)) for name, sums in _readings(tongue, asked)]
        sure = next((each for each in read if each.naming not in _DOUBTFUL), None)
        if sure is not None:
            return sure
        described = next((each for each in read if each.naming is Naming.DESCRIBED), None)
        if described is not None or (read and (best is None or best.naming is Naming.PERHAPS)):
            best = described or read[0]
    return best


def _stripped(tongue: _Tongue, text: str) -> Iterator[str]:
    """The text with none, one, two, … courtesies taken off its beginning and its end."""
    starts = [text]
    while len(starts) <= _COURTESIES and (start := tongue.before.match(simplified(starts[-1]))):
        starts.append(_bare(starts[-1][start.end() :]))
    seen = set[str]()
    for begun in starts:
        ended = begun
        for _ in range(_COURTESIES):
            if ended and ended not in seen:
                seen.add(ended)
                yield ended
            end = tongue.after.search(simplified(ended))
            if not end:
                break
            ended = _bare(ended[: end.start()])


def _readings(tongue: _Tongue, asked: str) -> Iterator[tuple[_Name, bool]]:
    """What a sentence names in every frame that it fits, and whether that asks for a summary."""
    for frames, patterns in tongue.frames:
        for match in (pattern.fullmatch(simplified(asked)) for pattern in patterns):
            name = _name(tongue, match, asked) if match else None
            if name is not None and name.naming in frames.named:
                yield name, frames.sums


# Numbers

_ENGLISH_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ALL_NUMBERS = (_ENGLISH_NUMBERS, "一两三四五六七八九十", "一二")
_NUMBERS = {word: i + 1 for words in _ALL_NUMBERS for i, word in enumerate(words)}
_COUNT = _compiled(
    rf"\b(?P<en>{'|'.join(_ENGLISH_NUMBERS)}|an?|\d{{1,2}})[- ](?:\w+ ){{0,2}}?"
    r"(?:sentences?|(?:bullet )?points?|bullets?|lines?|takeaways?|highlights?|findings?|facts|things|ideas)\b|"
    r"(?P<zh>[一两二三四五六七八九十]|\d{1,2})(?:句|点|条|个(?:要点|重点|观点|结论))"
)
_IN_DETAIL = _compiled(say.DETAILED)


def _count(message: str) -> int:
    """How many sentences or points a message asks for, in number or as “detailed”; 0 where it does not say."""
    plain = simplified(message)
    match = _COUNT.search(plain)
    if match is None:
        return _DETAILED if _IN_DETAIL.search(plain) else 0
    word = (match["en"] or match["zh"]).lower()
    return _NUMBERS.get(word, int(word) if word.isdecimal() else 1)


# Names

_ARTICLE = _compiled(r"^(?:the|a|an|my|our|this|that) (?=\S)")
_MADE = _compiled(
    r"^(?:film|movie|book|novel|play|poem|story|song|series|show|opera|game|album|podcast|musical) "
    r"(?:(?:called|named|titled|entitled) )?(?=\S)|^(?:小说|电影|故事|书|诗|文章)(?=《)"
)
"""What kind of work a name is said to be of."""


def _name(tongue: _Tongue, match: re.Match[str], asked: str) -> _Name | None:
    """What the words that stand for a document mean; None where they cannot mean one."""
    groups = match.groupdict()
    if "x" in groups:
        return _meant(tongue, asked[match.start("x") : match.end("x")])  # simplifying keeps every character's place
    noun = (groups.get("noun") or "").lower()
    return _Name(Naming.DOCUMENT, (), noun, certain=True) if noun else _Name(Naming.THIS)


def _meant(tongue: _Tongue, words: str) -> _Name | None:
    words = _bare(words)
    plain = simplified(words)
    if not words or len(words) > _LONGEST_NAME or tongue.never.fullmatch(plain):
        return None
    if tongue.this.fullmatch(plain):
        return _Name(Naming.THIS)
    if tongue.all.fullmatch(plain):
        return _Name(Naming.ALL, certain=True, own=True)
    for naming, pattern in tongue.named:
        named = pattern.fullmatch(plain)
        if named:
            return _read(tongue, naming, named, words)
    return _Name(Naming.PERHAPS, _variants(words))


def _read(tongue: _Tongue, naming: Naming, named: re.Match[str], words: str) -> _Name:
    """A name that is given in one of the ways of `Phrases.named`."""
    groups = {name: words[named.start(name) : named.end(name)] for name, value in named.groupdict().items() if value}
    noun = groups.pop("noun", "").lower()
    name = next(iter(groups.values()), "").strip()
    if naming is Naming.QUOTED and re.fullmatch(_FILE, name, re.IGNORECASE):
        naming = Naming.FILE
    # “The zip file” is no document's name, “the penicillin article” is.
    sure = ("article",) if "before" in groups else ("strong", "article")
    own = tongue.own.search(simplified(words)) is not None
    certain = naming is Naming.FILE or own or is_noun(noun, *sure)
    if naming is Naming.DESCRIBED and not certain:
        naming = Naming.PERHAPS
    given = {Naming.PERHAPS: (words, name), Naming.DESCRIBED: (name, words)}.get(naming, (name,))
    names = tuple(dict.fromkeys(variant for each in given if each for variant in _variants(each)))
    which = next((kind for kind, hint in say.WHICH.items() if re.search(hint, simplified(words), re.IGNORECASE)), "")
    return _Name(naming, names, noun, certain, own, which if naming is Naming.DOCUMENT else "")


def _variants(name: str) -> tuple[str, ...]:
    """A name without its article; and without quotation marks and what kind of work it is."""
    full = _ARTICLE.sub("", name)
    bare = _MADE.sub("", full)
    quoted = re.fullmatch(_QUOTED, bare)
    inside: str = next(filter(None, quoted.groups())) if quoted else bare
    return tuple(dict.fromkeys((full, inside)))

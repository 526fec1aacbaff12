"""Words of self-harm: whether a text speaks of harming oneself, or of the subject.

A backstop beside the classifier, which knows few ways to say it and in Chinese nothing but characters. The phrases
stand in policy.toml under [self_harm], for people to read and to mend.

Covered: traditional characters, disguises (k i l l), any case, apostrophes left out, what is said of somebody else.
Not covered: a wording that is not listed; what was said in the messages before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from moderation.features import chinese_share, clean, fold

_SENTENCE = re.compile(r"[.!?。！？；;\n]+")
_INNER_SPACE = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")
_APOSTROPHE = re.compile(r"['’‘`]")
_MARKS = re.compile(r"([(|)…])")
_GAP = {True: r"\w{0,8}?", False: r"(?:\w+ ){0,5}?"}
"""What "…" may stand for, by whether the phrase is Chinese."""
_NO_WORD = "qxz"
"""A text in which no phrase is found."""


class Mention(IntEnum):
    """How a text speaks of self-harm, the gravest last."""

    NONE = 0
    ABOUT = 1
    """It asks or tells about the subject: prevention, figures, another person, a story."""
    WORD = 2
    """It names the subject, and nothing tells why."""
    DANGER = 3
    """Somebody says it of themselves, or asks how."""


@dataclass(frozen=True, slots=True)
class SelfHarm:
    """What the phrases of the policy find. Made by `of`."""

    danger: re.Pattern[str]
    words: re.Pattern[str]
    about: re.Pattern[str]
    harmless: re.Pattern[str]

    @classmethod
    def of(cls, danger: Iterable[str], words: Iterable[str], about: Iterable[str], harmless: Iterable[str]) -> SelfHarm:
        """Phrases as in the policy. Raises `ValueError` for one that `pattern` cannot use."""
        return cls(*(any_of(phrases) for phrases in (danger, words, about, harmless)))

    def mention(self, text: str) -> Mention:
        """The gravest mention of all sentences."""
        sentences = (plain(part) for part in _SENTENCE.split(clean(text)))
        return max((self._in(sentence) for sentence in sentences), default=Mention.NONE)

    def _in(self, sentence: str) -> Mention:
        rest = self.harmless.sub(" ", sentence)
        danger = self.danger.search(rest) is not None
        if not danger and not self.words.search(rest):
            return Mention.NONE
        if self.about.search(rest):
            return Mention.ABOUT
        return Mention.DANGER if danger else Mention.WORD


def pattern(phrase: str) -> str:
    """The regular expression of one phrase: "(a|b|)" offers a choice, "…" skips up to five words (eight characters).

    Whole words in scripts with spaces; anywhere in Chinese. Raises `ValueError` when its brackets do not match, or when
    it would be found in every text.
    """
    chinese = chinese_share(re.sub(r"[(|)…\s]", "", phrase)) > 0
    found = ""
    for part in _MARKS.split(phrase):
        if part == "(":
            found += "(?:"
        elif part == "…":
            found += _GAP[chinese]
        elif part in ("|", ")"):
            found += part
        else:
            found += _spaced(part, chinese)
    found = found if chinese else rf"\b{found}\b"
    try:
        empty = re.search(found, _NO_WORD) is not None
    except re.error as error:
        raise ValueError(f"the brackets do not match in {phrase!r}; close each that was opened") from error
    if empty:
        raise ValueError(f"{phrase!r} would be found in every text; write a word that it cannot do without")
    return found


def _spaced(part: str, chinese: bool) -> str:
    """A part between marks, folded; where words meet a choice the space belongs to the part."""
    if chinese:
        return re.escape(plain(part).strip())
    folded = plain(part).strip()
    return f"{' ' if part[:1] == ' ' else ''}{folded}{' ' if part[-1:] == ' ' and folded else ''}"


def any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """One expression for all phrases; that of no phrase finds nothing."""
    return re.compile("|".join(pattern(phrase) for phrase in phrases) or r"(?!)")


def plain(text: str) -> str:
    """Folded text in which only words and single spaces are left, none between Chinese characters."""
    return spaced(fold(clean(text)))


def spaced(folded: str) -> str:
    """The same of folded text."""
    return _INNER_SPACE.sub("", re.sub(r"[^\w]+", " ", _APOSTROPHE.sub("", folded)))

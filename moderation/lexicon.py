"""How much a text looks like language: the odds of words, from the list of words that the embedded encoder comes with.

lexicon = Lexicon.embedded()                    # read once, on first use, in a few milliseconds
lexicon.odds("bomb"), lexicon.odds("obzo")      # natural logarithms: -10.5 and -15.6

The encoder's vocabulary stands in the order of how frequent its words are, so that a word's rank tells its probability
(Zipf's law with Mandelbrot's shift, P(r) ∝ 1 / (r + 2.7)). A string that is no word is as probable as its letters
drawn at random.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import NamedTuple

from encoder import weights_folder

LETTER = math.log(26)
"""What a letter drawn at random costs."""
RARE = -10.6
"""Odds below which a word is rare: those after the 4,000 most frequent, and what is no word."""

_WORDLESS = -12.4
_LETTER_ALONE = -8.5
_FREQUENT_LETTERS = {"a": -4.0, "i": -4.5, "s": -5.0, "t": -5.0}
_SHORT = -8.0
"""Odds below which a word of one or two letters says nothing."""
_SHIFT = 2.7
_LONGEST = 14
_ENDINGS = {
    "s": ("s", "es", "ers"),
    "d": ("ed", "d"),
    "g": ("ing",),
    "r": ("er", "r"),
    "y": ("ly", "y"),
    "e": ("able",),
}
"""By their last letter."""
_DERIVED = -1.5

WORD = re.compile(r"[A-Za-z]+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words, and the natural logarithm of each one's probability."""

    words: Mapping[str, float]

    @staticmethod
    @cache
    def embedded() -> Lexicon:
        """The words of the embedded encoder. Raises `ModelError` when it is not installed."""
        lines = (weights_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()
        listed = lines[lines.index("the") :]  # before it: special tokens and single characters, in no useful order
        ranked = [word for word in listed if word.isascii() and word.isalpha()]
        mass = math.log(len(ranked))
        words = {word: -math.log((rank + 1 + _SHIFT) * mass) for rank, word in enumerate(ranked)}
        words |= {chr(c): _LETTER_ALONE for c in range(ord("a"), ord("z") + 1)} | _FREQUENT_LETTERS
        return Lexicon(words)

    def odds(self, word: str) -> float:
        """Logarithm of the probability of a word in lower-case letters a-z."""
        found = self.words.get(word)
        if found is None:
            found = self._derived(word)
        return _missing(len(word)) if found is None else found

    def knows(self, word: str) -> bool:
        """Whether the word, in lower-case letters, is listed or made of one that is."""
        return word in self.words or self._derived(word) is not None

    def _derived(self, word: str) -> float | None:
        if len(word) < 5:
            return None
        for ending in _ENDINGS.get(word[-1], ()):
            if word.endswith(ending) and len(word) >= len(ending) + 3:
                stem = word[: -len(ending)]
                for base in (stem, stem + "e"):
                    if base in self.words:
                        return self.words[base] + _DERIVED
        return None

    def segmented(self, letters: str) -> tuple[list[str], float]:
        """The likeliest words that the letters are made of, and their odds less those of letters at random.

        Viterbi over the places where words may end; linear in the letters, which are lower case.
        """
        best, cut = [0.0], [0]
        for end in range(1, len(letters) + 1):
            odds, start = max(
                (best[start] + self.words.get(letters[start:end], _missing(end - start)), start)
                for start in range(max(0, end - _LONGEST), end)
            )
            best.append(odds)
            cut.append(start)
        words, end = [], len(letters)
        while end:
            words.append(letters[cut[end] : end])
            end = cut[end]
        return words[::-1], best[-1] + LETTER * len(letters)

    def reads(self, text: str) -> bool:
        """Whether a decoded text is language: known words, or letters that are not Latin, and little else.

        Hashes, keys and JSON are not. Of other languages in Latin letters a third must be known: the encoder's
        list holds the frequent words of many.
        """
        letters = _LETTER.findall(text)
        if _CONTROL.search(text) or len(letters) + len(_SPACE.findall(text)) < 0.5 * len(text):
            return False
        foreign = sum(3 if _CJK.match(letter) else 1 for letter in letters if not letter.isascii())
        if foreign >= 6 and foreign >= len(letters) / 2:
            return True
        words = [word.lower() for word in WORD.findall(text)]
        width = sum(map(len, words))
        known = [word for word in words if (self.knows(word) if len(word) > 2 else self.odds(word) > _SHORT)]
        told = [word for word in known if len(word) > 2]
        share = sum(map(len, known)) / max(width, 1)
        return share >= 0.65 and len(told) > 0 if width < 10 else share >= 0.35 and len(told) > 1


def _missing(length: int) -> float:
    return _WORDLESS - LETTER * max(length - 3, 0)


class Word(NamedTuple):
    """A word of a text, in small letters, with where it stands in it, how probable it is, and whether it is strange."""

    start: int
    end: int
    letters: str
    odds: float
    whole: bool
    """Neither digits nor signs as in keys, paths and names of variables stand at its ends."""
    strange: bool
    """Whole, and so rare, for its length, that it may be no word of this language."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A text and its words in Latin letters, which several ways of reading look at."""

    text: str
    words: Sequence[Word]
    lexicon: Lexicon

    @classmethod
    def of(cls, text: str, lexicon: Lexicon) -> Writing:
        return cls(text, [_word(match, lexicon) for match in islice(WORD.finditer(text), _MOST_WORDS)], lexicon)


_MOST_WORDS = 20_000
_ATTACHED = frozenset("_\\/+=@$#&")
_STRANGE = (-99.0, -99.0, -99.0, -10.6, -11.5, -12.4)
"""Odds of a strange word, by its letters."""


def _word(match: re.Match[str], lexicon: Lexicon) -> Word:
    letters = match[0].lower()
    odds = lexicon.odds(letters)
    text, (start, end) = match.string, match.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    whole = not (before.isalnum() or before in _ATTACHED or after.isalnum() or after in _ATTACHED)
    return Word(start, end, letters, odds, whole, whole and odds < _STRANGE[min(len(letters), 5)])

"""Words written with other letters: Caesar's shifts (rot13 among them), Atbash, and words written backwards.

Each key is tried on every word of the text. The stretch of words that gains most in likelihood (`Lexicon.odds`) by it
is the ciphertext, when it gains more than chance allows; so a payload is found in the middle of a text, and ordinary
text, which loses by every key, has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase

from moderation.lexicon import WORD, Lexicon, Word, Writing
from moderation.spans import Span

_ENOUGH = 16.0
"""What a stretch must gain, in nats, for a shift that is not rot13."""
_ENOUGH_PROBABLE = 11.0
"""The same for what people use: rot13, Atbash, backwards."""
_UNREADABLE = -2.5
"""For a word that is none before nor after."""
_NEAR = 3
"""Words from one strange word to the next of a ciphertext, at most."""

_CLOSED = re.compile(r"[.?!]\W*$")
_OPENED = re.compile(r"(?:^|\s)[,.;:?!]+(?=\w)")
"""A mark that follows words, before one."""

Key = Callable[[str], str]


def _substitution(alphabet: str) -> Key:
    table = str.maketrans(ascii_lowercase + ascii_uppercase, alphabet + alphabet.upper())
    return lambda text: text.translate(table)


def _shifted(by: int) -> str:
    return ascii_lowercase[by:] + ascii_lowercase[:by]


_ROT13 = _substitution(_shifted(13))
_PROBABLE: tuple[Key, ...] = (_ROT13, _substitution(ascii_lowercase[::-1]))
_SHIFTS = tuple(_substitution(_shifted(by)) for by in range(1, 26) if by != 13)


def substituted(writing: Writing) -> Iterator[list[Span]]:
    """The likeliest stretch under a Caesar shift or Atbash, if any."""
    keys = [(key, _ENOUGH_PROBABLE) for key in _PROBABLE]
    if _strange_together(writing.words):
        keys += [(key, _ENOUGH) for key in _SHIFTS]
    found = [_best(writing, key, enough) for key, enough in keys if _promising(writing, key, enough)]
    gain, start, end, key = max(found, key=lambda stretch: stretch[0], default=(0.0, 0, 0, _ROT13))
    if gain > 0:
        yield [Span(start, end, key(writing.text[start:end]))]


def backwards(writing: Writing) -> Iterator[list[Span]]:
    """The likeliest stretch of words written backwards: read from its end, and word by word."""
    if not _promising(writing, _reverse, _ENOUGH_PROBABLE):
        return
    text = writing.text
    gain, start, end, _ = _best(writing, _reverse, _ENOUGH_PROBABLE)
    if gain > 0:
        # A mark that ends the sentence stands before its last word when all is reversed.
        while start and not text[start - 1].isspace() and not text[start - 1].isalnum():
            start -= 1
        stretch = text[start:end]
        whole, by_word = _reverse(stretch), WORD.sub(lambda word: _reverse(word[0]), stretch)
        order = _in_order(whole) - _in_order(by_word)
        if order >= 0:
            yield [Span(start, end, whole)]
        if order <= 0:
            yield [Span(start, end, by_word)]


def _in_order(text: str) -> int:
    """How much capitals and marks speak for this order of words."""
    begins = next((char for char in text if char.isalnum()), "").isupper()
    return int(begins) + bool(_CLOSED.search(text)) - len(_OPENED.findall(text))


def _reverse(text: str) -> str:
    return text[::-1]


def _strange_together(words: Sequence[Word]) -> bool:
    """Whether two strange words stand near each other: one alone says too little about which of 24 shifts it is."""
    places = [place for place, word in enumerate(words) if word.strange]
    return any(later - earlier <= _NEAR for earlier, later in pairwise(places))


def _promising(writing: Writing, key: Key, enough: float) -> bool:
    """Whether the strange words alone gain half of what is needed: a quick look, before a long one."""
    strange = [word for word in writing.words if word.strange]
    known = writing.lexicon.words
    gain = sum(odds - word.odds for word in strange if (odds := known.get(key(word.letters))) is not None)
    return gain > enough / 2


def _best(writing: Writing, key: Key, enough: float) -> tuple[float, int, int, Key]:
    """What the best stretch gains over `enough`, where it is, and the key (Kadane's maximal sum)."""
    gains = [_gain(word, key, writing.lexicon) for word in writing.words]
    best, first, last = 0.0, 0, -1
    total, start = 0.0, 0
    for place, gain in enumerate(gains):
        if total <= 0:
            total, start = 0.0, place
        total += gain
        if total > best:
            best, first, last = total, start, place
    found = range(first, last + 1)
    # A word that is said twice proves no more than once: `etag` is `gate` by chance.
    distinct = sum({writing.words[place].letters: gains[place] for place in found}.values())
    if distinct <= enough:
        return 0.0, 0, 0, key
    return distinct - enough, writing.words[first].start, writing.words[last].end, key


def _gain(word: Word, key: Key, lexicon: Lexicon) -> float:
    gain = lexicon.odds(key(word.letters)) - word.odds
    if word.strange and gain <= 0:
        return _UNREADABLE
    return gain if word.whole else min(gain, 0.0)

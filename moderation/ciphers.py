"""Words written with other letters: Caesar's shifts (rot13 among them), Atbash, and words written backwards.

Each key is tried on every word of the text. The stretch of words that gains most in likelihood (`Lexicon.odds`) by it
is the ciphertext, when it gains more than chance allows; so a payload is found in the middle of a text, and ordinary
text, which loses by every key, has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from string import ascii_lowercase, ascii_uppercase

from moderation.lexicon import WORD, Lexicon
from moderation.spans import Span

_ENOUGH = 16.0
"""What a stretch must gain, in nats, for a shift that is not rot13."""
_ENOUGH_PROBABLE = 9.0
"""The same for what people use: rot13, Atbash, backwards."""
_UNREADABLE = -2.5
"""For a word that is none before nor after."""
_MOST_WORDS = 20_000

Key = Callable[[str], str]


def _substitution(alphabet: str) -> Key:
    table = str.maketrans(ascii_lowercase + ascii_uppercase, alphabet + alphabet.upper())
    return lambda text: text.translate(table)


def _shifted(by: int) -> str:
    return ascii_lowercase[by:] + ascii_lowercase[:by]


_ROT13 = _substitution(_shifted(13))
_PROBABLE: tuple[Key, ...] = (_ROT13, _substitution(ascii_lowercase[::-1]))
_SHIFTS = tuple(_substitution(_shifted(by)) for by in range(1, 26) if by != 13)


def substituted(text: str, lexicon: Lexicon) -> Iterator[list[Span]]:
    """The likeliest stretch under a Caesar shift or Atbash, if any."""
    words = _words(text, lexicon)
    tried = [(key, _ENOUGH_PROBABLE) for key in _PROBABLE] + [(key, _ENOUGH) for key in _SHIFTS]
    found = [_best(words, key, lexicon, enough) for key, enough in tried if _promising(words, key, lexicon, enough)]
    gain, start, end, key = max(found, key=lambda stretch: stretch[0], default=(0.0, 0, 0, _ROT13))
    if gain > 0:
        yield [Span(start, end, key(text[start:end]))]


def backwards(text: str, lexicon: Lexicon) -> Iterator[list[Span]]:
    """The likeliest stretch of words written backwards: read from its end, and word by word."""
    words = _words(text, lexicon)
    if not _promising(words, _reverse, lexicon, _ENOUGH_PROBABLE):
        return
    gain, start, end, _ = _best(words, _reverse, lexicon, _ENOUGH_PROBABLE)
    if gain > 0:
        # A mark that ends the sentence stands before its last word when all is reversed.
        while start and not text[start - 1].isspace() and not text[start - 1].isalnum():
            start -= 1
        stretch = text[start:end]
        yield [Span(start, end, _reverse(stretch))]
        yield [Span(start, end, WORD.sub(lambda word: _reverse(word[0]), stretch))]


def _reverse(text: str) -> str:
    return text[::-1]


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    letters: str
    odds: float

    @property
    def strange(self) -> bool:
        """Whether it may be ciphertext: so rare, for its length, that it is no word of this language."""
        return self.odds < _STRANGE[min(len(self.letters), 5)]


_STRANGE = (-99.0, -99.0, -99.0, -10.6, -11.5, -12.4)
"""Odds of a strange word, by its letters."""


def _words(text: str, lexicon: Lexicon) -> list[_Word]:
    found = islice(WORD.finditer(text), _MOST_WORDS)
    lowered = ((match.start(), match.end(), match[0].lower()) for match in found)
    return [_Word(start, end, word, lexicon.odds(word)) for start, end, word in lowered]


def _promising(words: Sequence[_Word], key: Key, lexicon: Lexicon, enough: float) -> bool:
    """Whether the strange words alone gain half of what is needed: a quick look that spares most a long one."""
    gain = sum(
        odds - word.odds
        for word in words
        if word.strange and (odds := lexicon.words.get(key(word.letters))) is not None
    )
    return gain > enough / 2


def _best(words: Sequence[_Word], key: Key, lexicon: Lexicon, enough: float) -> tuple[float, int, int, Key]:
    """What the best stretch gains over `enough`, where it is, and the key (Kadane's maximal sum)."""
    best, best_start, best_end = 0.0, 0, 0
    total, start = 0.0, 0
    for word in words:
        if total <= 0:
            total, start = 0.0, word.start
        odds = lexicon.odds(key(word.letters))
        total += _UNREADABLE if word.strange and odds <= word.odds else odds - word.odds
        if total > best:
            best, best_start, best_end = total, start, word.end
    return best - enough, best_start, best_end, key

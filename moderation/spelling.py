"""Words in plain letters, spelt so that no list finds them.

Covered: leetspeak; letters or pieces of words apart by spaces, dots, dashes, lines or joined strings; every letter
twice or thrice; capitals inside words. What is ordinary is left alone: product numbers, abbreviations, code.
Not covered: letters left out (k*ll), other sounds for them (kyll), Pig Latin, acrostics, words joined to one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise, product

from moderation.lexicon import LETTER, RARE, WORD, Lexicon, Word, Writing
from moderation.spans import Span, apart

_LEET = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "i", "€": "e",
}  # fmt: skip
_MOST_SIGNS = 6
# A word with a sign between or before its letters, no part of an address, path, number or name.
_SIGNED = re.compile(r"(?<![\w\-/.:=#&?%\\@$+!])[A-Za-z0-9@$€]+(?:![A-Za-z0-9@$€]+)*(?![\w\-/=#&%\\+]|[.:]\w)")
_SIGNED_PART = re.compile(r"[A-Za-z0-9@$€]*[A-Za-z][A-Za-z0-9@$€]*")
_INNER = re.compile(r"[A-Za-z][0-9@$!€]+[A-Za-z]|[0-9@$€]+[A-Za-z]+[0-9@$€]+")
"""What product numbers, ordinals, variables and mentions do not have."""
_NUMBER = re.compile(r"(?<![\w.,])\d{1,3}(?![\w.,]\w|\w)")
_COMMON = -8.0
"""Odds of the words that a number may stand for: the 280 most frequent."""
_SIGN = re.compile(r"[0-9@$!€]")
_ENOUGH = 5
"""What makes certain that signs stand for letters: one word of four letters, or three that are shorter or capitals."""
_FEWEST_LETTERS = 4

_APART = re.compile(r"(?<![^\W_])[A-Za-z0-9@$](?:[ \t\r\n.·•\-_*/|,+~]{1,8}[A-Za-z0-9@$'’])+(?![^\W_])")
_CHINESE_APART = re.compile(r"[\u4e00-\u9fff](?:[ \t.·•\-_*/+~]{1,3}[\u4e00-\u9fff])+(?![\u4e00-\u9fff])")
_FEWEST_CHINESE = 4
_SEPARATOR = re.compile(r"[^A-Za-z0-9@$'’]+")
_INITIALS = re.compile(r"(?:[A-Z]\.[ ]?){1,5}[A-Z]")
_BLANK = re.compile(r"\s")
_LATIN = re.compile("[A-Za-z]")
_MOST_APART = 1500
_LANGUAGE = 2.0
"""By how many nats letters set apart must be likelier as words than at random."""
_LONG = 12
"""Characters of letters set apart that leave no doubt."""
_PIECE_GAP = re.compile(r"[\s.\-_*/~·•]{1,6}|[\"']\s{0,2}[+.&]?\s{0,2}[\"']")
_SENTENCE_END = re.compile(r"\.\s|\n\s*\n")
_MOST_PIECES = 5
_LONGEST_PIECE = 10
_SHORT = frozenset({
    "a", "i", "am", "an", "as", "at", "be", "by", "do", "go", "he", "hi", "if", "in", "is", "it", "me", "my", "no",
    "of", "oh", "ok", "on", "or", "so", "to", "up", "us", "we", "vs", "tv", "uk", "pc", "id", "ad", "ex", "mr", "dr",
    "eu", "un", "km", "cm", "mm", "kg", "ml", "ft", "ii", "iv", "ai", "la", "de",
})  # fmt: skip
"""What of one or two letters stands alone in ordinary text."""
_APOSTROPHES = frozenset("'’")
_LONGEST_JOINED = 16
_FEWEST_PIECES = 3
_DENSE = 8
"""From how many words in pieces, one among so many, unknown ones are joined too."""
_JOINED = 8.0
"""What a word must gain over its pieces, in nats."""


def leet(writing: Writing) -> Iterator[list[Span]]:
    """Words with digits and signs for letters; where some are certain, those of doubtful form too."""
    text, lexicon = writing.text, writing.lexicon
    if not _SIGN.search(text):
        return
    spans = []
    weak = []
    sure = 0
    for match in _SIGNED.finditer(text):
        word = match[0]
        plain = _unsigned(word, lexicon) if _SIGN.search(word) and WORD.search(word) else ""
        if plain and len(word) > 2 and _INNER.search(word):
            spans.append(Span(*match.span(), plain))
            sure += _ENOUGH if len(word) > 3 and not word.isupper() else 2
        elif plain:
            weak.append(Span(*match.span(), plain))
    if sure < _ENOUGH:
        return
    spans += [span for span in weak if span.end - span.start > 2 and text[span.start].isalpha()]
    if sure >= 2 * _ENOUGH:
        numbers = ((match, _unsigned(match[0], lexicon)) for match in _NUMBER.finditer(text))
        spans += [Span(*match.span(), word) for match, word in numbers if word and lexicon.odds(word) > _COMMON]
        unknown = (match for match in _SIGNED_PART.finditer(text) if len(match[0]) > 3 and _SIGN.search(match[0]))
        weak += [Span(*match.span(), _spelt(match[0])) for match in unknown]
        spans += weak
    yield spans


def _unsigned(word: str, lexicon: Lexicon) -> str:
    """The likeliest known word that may be meant; empty where there is none."""
    signs = len(_SIGN.findall(word))
    if signs > _MOST_SIGNS or len(word) > 20:
        return ""
    choices = product(*(_LEET.get(c, c) for c in word.lower()))
    known = [plain for plain in map("".join, choices) if plain.isalpha() and lexicon.knows(plain)]
    return max(known, key=lexicon.odds, default="")


def apart_letters(writing: Writing) -> Iterator[list[Span]]:
    """Letters set apart, `k i l l` or `k.i.l.l`, with or without wider gaps between words; and Chinese so."""
    text, lexicon = writing.text, writing.lexicon
    spans = []
    doubtful = []
    for match in _APART.finditer(text):
        plain = _rejoined(match[0], lexicon)
        if plain:
            spans.append(Span(*match.span(), plain))
        else:
            doubtful.append(Span(*match.span(), next(_by_gaps(match[0]), "") or _SEPARATOR.sub("", match[0])))
    # Where words are certainly spelt so, short and unknown ones are too.
    if len(spans) > 1 or any(span.end - span.start > _LONG for span in spans):
        spans += doubtful
    for match in _CHINESE_APART.finditer(text):
        plain = "".join(c for c in match[0] if "\u4e00" <= c <= "\u9fff")
        if len(plain) >= _FEWEST_CHINESE:
            spans.append(Span(*match.span(), plain))
    if spans:
        yield apart(spans)


def _rejoined(run: str, lexicon: Lexicon) -> str:
    """The words that letters set apart make: as wider gaps tell, else the likeliest; empty when they make none."""
    run = run[: 4 * _MOST_APART]
    letters = _SEPARATOR.sub("", run)[:_MOST_APART]
    few = len(letters) < _FEWEST_LETTERS or 2 * len(_LATIN.findall(letters)) < len(letters)
    if few or _INITIALS.fullmatch(run):
        return ""
    for joined in _by_gaps(run):
        if sum(lexicon.odds(_spelt(word)) for word in joined.split()) + LETTER * len(letters) > _LANGUAGE:
            return joined
    words, odds = lexicon.segmented(_spelt(letters))
    return " ".join(words) if odds > _LANGUAGE else ""


def _by_gaps(run: str) -> Iterator[str]:
    """Words as blanks tell where signs stand between letters, and as the rarer gaps tell."""
    gaps = Counter(_SEPARATOR.findall(run))
    if 0 < sum(_BLANK.search(gap) is not None for gap in gaps) < len(gaps):
        yield _SEPARATOR.sub(lambda gap: gap[0].strip("-*_/|+~") if _BLANK.search(gap[0]) else "", run)
    usual, times = gaps.most_common(1)[0]
    if len(gaps) > 1 and 2 * times > gaps.total():
        yield _SEPARATOR.sub(lambda gap: "" if gap[0] == usual else " ", run)


def _spelt(word: str) -> str:
    """Letters alone, lower case, signs by their first meaning."""
    return "".join(_LEET.get(c, c)[0] for c in word.lower() if c not in "'’")


def in_pieces(writing: Writing) -> Iterator[list[Span]]:
    """Words cut into pieces, `bo mb` or `"bo" + "mb"`, of which at least one is no frequent word."""
    words = writing.words
    fragments = [place for place, word in enumerate(words) if _fragment(word, writing.lexicon)]
    if 2 * sum(len(words[place].letters) == 1 for place in fragments) > len(fragments):
        return  # letters, which are not pieces
    found: list[tuple[float, Span]] = []
    tried = -1
    for place in fragments:
        for first in range(max(tried + 1, place - _MOST_PIECES + 1), place + 1):
            tried = first
            found += _joined(writing, first)
    if len(found) >= _FEWEST_PIECES and _DENSE * len(found) >= len(words):
        found += _likely(writing, fragments)
    if found:
        yield _best_apart(found)


def _best_apart(found: list[tuple[float, Span]]) -> list[Span]:
    """Of spans that overlap the one that gains most."""
    taken: set[int] = set()
    spans = []
    for _, span in sorted(found, key=lambda pair: -pair[0]):
        places = range(span.start, span.end)
        if taken.isdisjoint(places):
            taken.update(places)
            spans.append(span)
    return sorted(spans, key=lambda span: span.start)


def _fragment(word: Word, lexicon: Lexicon) -> bool:
    """Whether it is no word that stands alone: `mb` or `sive`, and not `cent`, though that is rare."""
    if len(word.letters) < 3:
        return word.letters not in _SHORT
    return len(word.letters) <= _LONGEST_PIECE and (
        word.letters not in lexicon.words or (len(word.letters) == 3 and word.odds < RARE)
    )


def _joined(writing: Writing, first: int) -> list[tuple[float, Span]]:
    """The word that gains most by joining the pieces from `first` on, if they stand close together, and its gain."""
    words, lexicon = writing.words, writing.lexicon
    letters, alone, fragment = words[first].letters, words[first].odds, _fragment(words[first], lexicon)
    best: list[tuple[float, Span]] = []
    for last in range(first + 1, min(first + _MOST_PIECES, len(words))):
        piece = words[last]
        letters += piece.letters
        alone += piece.odds
        fragment = fragment or _fragment(piece, lexicon)
        if len(letters) > _LONGEST_JOINED:
            break
        gain = lexicon.odds(letters) - alone if fragment else 0.0
        if gain > (best[0][0] if best else _JOINED) and len(letters) > 3 and _fit(writing, first, last):
            best = [(gain, Span(words[first].start, piece.end, letters))] if lexicon.knows(letters) else best
    return best


def _likely(writing: Writing, fragments: list[int]) -> list[tuple[float, Span]]:
    """Pairs that make no listed word, in a text of which other words certainly are in pieces."""
    places = set(fragments)
    found = []
    for place in fragments:
        for first in (place - 1, place):
            if 0 <= first < len(writing.words) - 1 and _fit(writing, first, first + 1):
                left, right = writing.words[first : first + 2]
                gap = writing.text[left.end : right.start]
                if min(len(left.letters), len(right.letters)) > 1 and (gap != " " or {first, first + 1} <= places):
                    gain = 0.0 if gap == " " else 1.0
                    found.append((gain, Span(left.start, right.end, left.letters + right.letters)))
    return found


def _fit(writing: Writing, first: int, last: int) -> bool:
    """Whether the words may be pieces of one: a separator between each two, and not `var y` or `re.search`."""
    pieces = writing.words[first : last + 1]
    gaps = [writing.text[left.end : right.start] for left, right in pairwise(pieces)]
    known = writing.lexicon.words
    alone = any(len(piece.letters) == 1 for piece in pieces)
    return (
        all(piece.whole and writing.text[piece.start - 1 : piece.start] not in _APOSTROPHES for piece in pieces)
        and not (alone and any(piece.letters in known for piece in pieces if len(piece.letters) > 1))
        and not ("." in gaps and any(piece.letters in known for piece in pieces if len(piece.letters) > 3))
        and all(_PIECE_GAP.fullmatch(gap) and not _SENTENCE_END.search(gap) for gap in gaps)
    )


def repeated(writing: Writing) -> Iterator[list[Span]]:
    """Words of which every letter stands twice or thrice."""
    matches = [match for match in _REPEATED.finditer(writing.text) if _even(match[0])]
    spans = [Span(*match.span(), _even(match[0])) for match in matches]
    told = sum(len(span.plain) for span in spans if len(span.plain) > 2 and writing.lexicon.knows(span.plain.lower()))
    if told >= _FEWEST_LETTERS:
        yield spans


_REPEATED = re.compile(r"(?<![A-Za-z])(?=([A-Za-z])\1)[A-Za-z]{2,60}(?![A-Za-z])")


def _even(word: str) -> str:
    """The word when each letter stands `times` times; empty when that is not so."""
    for times in (2, 3):
        once = word[::times]
        if len(word) % times == 0 and all(word[shift::times].lower() == once.lower() for shift in range(1, times)):
            return once
    return ""


def capitals(writing: Writing) -> Iterator[list[Span]]:
    """A text in which most words have capitals inside, in small letters."""
    text = writing.text
    if len(_CHANGE.findall(text)) < _FEWEST_ODD:
        return
    words = [word for word in writing.words if len(word.letters) > 2]
    odd = [word for word in words if word.odds > _RAREST and _CHANGE.search(text, word.start, word.end)]
    if len(odd) >= _FEWEST_ODD and 2 * len(odd) > len(words):
        yield [Span(0, len(text), text.lower())]


_CHANGE = re.compile(r"[a-z][A-Z]")
_FEWEST_ODD = 3
_RAREST = -12.4
"""Odds of what is no word."""

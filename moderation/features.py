"""What the embedded classifier sees of a text: cleaned words, bounded windows, hashed n-grams.

Covered: look-alike letters, zero-width characters, full-width forms, digits written for letters inside words,
stretched letters and letters set apart by spaces or dots are folded before anything is counted.
Not covered: encodings (base64, rot13), text in pictures, languages other than English and Chinese.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW = 240
"""Characters of one window of text (short, so that one bad sentence is not drowned); a Chinese one is `_CJK_WIDTH`."""
_CJK_WIDTH = 2.5
_OVERLAP = 40
"""Characters repeated where a sentence longer than a window had to be cut."""

CHAR_ORDERS = (1, 2, 3, 4, 5)
BUCKET_BITS = 16

_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xAD, 0xFEFF])
# Cyrillic and Greek letters that look Latin (a part of Unicode's confusables table, UTS #39).
_LOOK_ALIKES = str.maketrans(
    "асеорхуіјѕԁһвкмнтАВЕКМНОРСТХУІЈЅαορτυνικΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aceopxyijsdhbkmhtABEKMHOPCTXYIJSaoptuvikABEZHIKMNOPTYX",
)
_LATIN = re.compile(r"[A-Za-z]")
_DIGITS_FOR_LETTERS = str.maketrans("013457@$!", "oieastasi")
_DIGITS_IN_WORD = re.compile(r"(?<=[A-Za-z])[013457@$!]{1,3}(?=[A-Za-z])")
_SPACED_WORD = re.compile(r"(?<!\w)(?:[A-Za-z][ .\-_*]){2,}[A-Za-z](?!\w)")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_LINK = re.compile(r"https?://\S+|www\.\S+|@URL\b")
_MENTION = re.compile(r"(?<!\w)@\w+:?")
_RETWEET = re.compile(r"^\s*(?:RT\s+)+")
_SPACE = re.compile(r"\s+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_SENTENCE = re.compile(r"[^.!?。！？；\n]*(?:[.!?]+[\"'”’)\]]*(?:\s+|$)|[。！？；]+[”’」』）]*\s*|\n+|[.!?]+|$)")

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Bucket numbers of all texts joined, and where each text's begin."""


def clean(text: str) -> str:
    """The text as the encoder reads it: disguises folded, links and mentions made neutral, case kept."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(_INVISIBLE)
    if _LATIN.search(text):
        text = text.translate(_LOOK_ALIKES)
    text = _MENTION.sub("@user", _LINK.sub(" ", _RETWEET.sub("", text)))
    text = _SPACED_WORD.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), text)
    text = _DIGITS_IN_WORD.sub(lambda match: match[0].translate(_DIGITS_FOR_LETTERS), text)
    return text.strip()


def fold(text: str) -> str:
    """Cleaned text as the n-grams read it: lower case, no accents, no stretched letters, single spaces."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    plain = _STRETCHED.sub(r"\1\1", plain)
    return f" {_SPACE.sub(' ', plain).strip()} "


def chinese_share(text: str) -> float:
    """Share of the characters other than white space that are Chinese, 0..1."""
    solid = len(_SPACE.sub("", text))
    return len(_CJK.findall(text)) / solid if solid else 0.0


def windows(text: str) -> list[str]:
    """Cut cleaned text into windows of whole sentences, at most `WINDOW` wide; nothing is left out."""
    limit = int(WINDOW / (1 + (_CJK_WIDTH - 1) * chinese_share(text)))
    if len(text) <= limit:
        return [text]
    pieces: list[str] = []
    for sentence in (match[0] for match in _SENTENCE.finditer(text) if match[0]):
        pieces += _cut(sentence, limit)
    packed = [""]
    for piece in pieces:
        if packed[-1] and len(packed[-1]) + len(piece) > limit:
            packed.append("")
        packed[-1] += piece
    return [window.strip() for window in packed if window.strip()] or [text[:limit]]


def _cut(sentence: str, limit: int) -> list[str]:
    """One sentence in pieces of at most `limit` characters that overlap, so that no phrase is lost in a cut."""
    if len(sentence) <= limit:
        return [sentence]
    step = limit - _OVERLAP
    return [sentence[start : start + limit] for start in range(0, len(sentence) - _OVERLAP, step)]


def buckets(folded: str) -> NDArray[np.int64]:
    """Distinct buckets of the text's character n-grams, words and word pairs (the hashing trick).

    Weinberger et al. 2009, arXiv:0902.2206; n-grams within and across words as in fastText (arXiv:1607.01759).
    Multiply-and-add hashes modulo 2^64 over code points, computed for all positions at once.
    """
    points = np.frombuffer(folded.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    found = [_bucket(_rolling(points, order), order) for order in CHAR_ORDERS if len(points) >= order]
    found += _word_buckets(points)
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def bags(texts: Sequence[str]) -> Counts:
    """Buckets of several cleaned texts, laid end to end, with the offset of each."""
    rows = [buckets(fold(text)) for text in texts]
    lengths = np.array([0, *(len(row) for row in rows)], dtype=np.int64)
    joined = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return joined, np.cumsum(lengths)[:-1]


_BASE = np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def _rolling(values: NDArray[np.uint64], order: int) -> NDArray[np.uint64]:
    """Hash of every run of `order` consecutive values."""
    count = len(values) - order + 1
    hashed = np.zeros(count, dtype=np.uint64)
    for shift in range(order):
        hashed = hashed * _BASE + values[shift : shift + count]
    return hashed


def _word_buckets(points: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Buckets of words and of word pairs: a word's hash is the sum of its letters' powers at their places."""
    letters = points != ord(" ")
    starts = np.flatnonzero(letters & ~np.concatenate(([False], letters[:-1])))
    if not len(starts):
        return []
    ends = np.flatnonzero(letters & ~np.concatenate((letters[1:], [False]))) + 1
    place = np.arange(len(points)) - np.repeat(
        np.concatenate(([0], starts)), np.diff(np.concatenate(([0], starts, [len(points)])))
    )
    powers = np.cumprod(np.full(int(place.max()) + 1, _BASE, dtype=np.uint64))
    spread = (points * _MIX ^ (points >> np.uint64(3))) * powers[place] * letters
    sums = np.add.reduceat(spread, starts)
    words = sums + (ends - starts).astype(np.uint64)
    found = [_bucket(words, 11)]
    if len(words) > 1:
        found.append(_bucket(_rolling(words, 2), 12))
    return found


def _bucket(hashed: NDArray[np.uint64], kind: int) -> NDArray[np.int64]:
    """Bucket 0..2^BUCKET_BITS-1 of each hash; `kind` keeps a word and an n-gram of the same letters apart."""
    mixed = (hashed ^ np.uint64(kind * 0x51ED270B)) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)

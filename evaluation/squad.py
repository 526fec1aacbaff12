"""SQuAD's measures of an answer (Rajpurkar et al. 2016, arXiv:1606.05250), made safe for text without spaces.

Normalised text is in lower case, without punctuation and articles, with single spaces. Where the gold answer holds
Chinese, Japanese or Korean characters, spaces do not count and every character is a token, as in CMRC and DRCD.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from retrieval.text import CJK

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_IS_CJK = re.compile(f"[{CJK}]")


def normalise(text: str) -> str:
    """Text as SQuAD compares it."""
    folded = unicodedata.normalize("NFKC", text).lower()
    bare = "".join(char for char in folded if char not in string.punctuation and unicodedata.category(char)[0] != "P")
    return " ".join(_ARTICLES.sub(" ", bare).split())


def tokens(text: str) -> list[str]:
    """Words of normalised text; a CJK character is a word."""
    return _IS_CJK.sub(lambda match: f" {match[0]} ", text).split()


def contains(answer: str, gold: Sequence[str]) -> bool:
    """Whether a normalised gold answer occurs in a normalised answer."""
    return any(_occurs(one, answer) for one in gold if one)


def _occurs(gold: str, text: str) -> bool:
    if _IS_CJK.search(gold):
        return gold.replace(" ", "") in text.replace(" ", "")
    return gold in text


def exact(answer: str, gold: Sequence[str]) -> bool:
    """Whether a normalised answer is a gold answer."""
    return any(tokens(answer) == tokens(one) for one in gold)


def f1(answer: str, gold: Sequence[str]) -> float:
    """Harmonic mean of token precision and recall, against the gold answer that fits best."""
    return max((_f1(tokens(answer), tokens(one)) for one in gold), default=0.0)


def _f1(answer: list[str], gold: list[str]) -> float:
    shared = sum((Counter(answer) & Counter(gold)).values())
    return 2 * shared / (len(answer) + len(gold)) if shared else float(answer == gold)

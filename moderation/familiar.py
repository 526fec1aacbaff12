"""Is a text in the language that the classifier's English networks know? Of others they can tell nothing.

A text is English when it holds a word that no English sentence of some length can do without. Else it is so when most
of its letters are in words that are frequent in English. Keys, numbers and signs are not; very short texts pass for it.
"""

from __future__ import annotations

import re

from moderation.lexicon import RARE, Lexicon

_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = (
    "the of and how what you your my that this with are was were have has it they he she why who can will "
    "about from his her their not but should would could give tell write make when where which does did "
    "an at if so our we us be been don there then than just like want know get let please help explain "
    "yourself im ur provide create outline describe develop teach suggest share"
)
_FUNCTION = frozenset(_ENGLISH.split())
"""Words that are seldom written in another language."""
_SHARED = frozenset(("a", "is", "for", "to", "in", "on", "or", "as", "by", "me", "i"))
"""Words that other languages have too, but seldom two of them in a sentence."""
_FEWEST = 4
"""Words of the shortest text that can be told to be of another language."""
_LONGEST = 20
"""Letters of a word beyond which it is taken for a key."""
_SHORT = 5
_MOST_RARE, _MOST_RARE_BESIDE, _MOST_RARE_SHORT = 0.45, 0.7, 0.9
"""Share of the letters that may be in rare words; beside two of the words that languages share; in a short text."""
_LEAST_LATIN = 0.5


def familiar(text: str, lexicon: Lexicon) -> bool:
    """Whether the text is English, as far as it tells."""
    words = [word.lower() for word in _WORD.findall(text)]
    width = sum(map(len, words))
    if not width or sum(len(word) for word in words if word[0] < "\u0250") < _LEAST_LATIN * width:
        return False
    if (
        not _FUNCTION.isdisjoint(words)
        or {"is", "a"} <= set(words)
        or (len(words) < _FEWEST and max(map(len, words)) <= _LONGEST)
    ):
        return True
    most = _MOST_RARE_BESIDE if sum(word in _SHARED for word in words) > 1 else _MOST_RARE
    most = max(most, _MOST_RARE_SHORT) if len(words) < _SHORT else most
    return sum(len(word) for word in words if lexicon.odds(word) < RARE) < most * width

"""How alike a question's words and a sentence's are where they are not the same: “ill” and “sick”, “mend” and “fix”.

Words are alike that the encoder's vocabulary embeds alike; each is looked up once, and those used lately are kept.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder
from retrieval.text import STOPWORDS

Matrix = NDArray[np.float32]

_WORD = re.compile(r"[^\W\d_]{2,40}|\d[\d.,]*")
_REMEMBERED = 30_000
"""Words whose vectors are kept, in half precision: 23 MB at most."""
_UNLIKE, _ALIKE = 0.2, 0.8
"""Cosines that count as nothing and as the same: “dog” and “table” have 0.1, “biggest” and “largest” 0.7."""


@lru_cache(maxsize=16384)
def content_words(text: str) -> tuple[str, ...]:
    """The distinct words of a text in lower case, those without a topic left out."""
    words = (word.rstrip(".,") for word in _WORD.findall(text.lower()))
    return tuple(dict.fromkeys(word for word in words if word not in STOPWORDS))


class WordLikeness:
    """Safe to call from several threads."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._lock = threading.Lock()

    def between(self, words: Sequence[str], others: Sequence[str]) -> Matrix:
        """0 (unlike) to 1 (the same), shape (len(words), len(others))."""
        cosines = self._vectors(words) @ self._vectors(others).T
        likeness: Matrix = np.clip((cosines - _UNLIKE) / (_ALIKE - _UNLIKE), 0, 1)
        return likeness

    def _vectors(self, words: Sequence[str]) -> Matrix:
        with self._lock:
            found = {word: self._known[word] for word in words if word in self._known}
        missing = [word for word in dict.fromkeys(words) if word not in found]
        fresh = self._encoder.word_vectors(missing).astype(np.float16) if missing else ()
        found |= dict(zip(missing, fresh, strict=True))
        with self._lock:
            self._known |= {word: found[word] for word in missing}
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if not words:
            return self._encoder.word_vectors(())
        return np.stack([found[word] for word in words]).astype(np.float32)

"""Is a question about what the site is for? The off-topic rule of a policy: "only talk about X".

judge = TopicJudge(encoder)
judge.about(topics, ["How do I feed a sourdough starter?"], "en")      # True where X is baking

Covered: a language that the encoder knows is judged by meaning: the cosine between the question and the nearest
sentence or example question of the policy must reach `least`. In a language that it does not know a question is judged
by its words, where the policy has sentences or examples in that language: one shared word with a meaning is enough.
Not covered: a language in which the policy says nothing and which the encoder does not know; there everything passes.
A question about the app itself always passes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from moderation.base import Action
from retrieval.text import analyse, language

_LOOKED_AT = 600
"""Characters of a question."""
_KEPT = 4
"""Policies whose vectors are kept: a reload leaves the old one behind."""
_ABOUT_THE_APP = (
    "Questions about this chat: how to use it, upload documents, choose sources, and what it can do.",
    "How do I ask about my own documents?",
    "Why was my question refused?",
    "Is what I write stored, and who can read it?",
)

Vectors = NDArray[np.float32]


class TopicEncoder(Protocol):
    """What the rule asks of a sentence encoder."""

    def knows(self, language: str) -> bool:
        """Whether its vectors may be trusted for texts in this language (ISO 639-1)."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (texts, dimension)."""
        ...


@dataclass(frozen=True, slots=True)
class Topics:
    """What a site is for, as its policy says; without sentences it is for everything."""

    only: tuple[str, ...] = ()
    """Sentences that describe it."""
    examples: tuple[str, ...] = ()
    """Questions that belong to it."""
    least: float = 0.0
    """Cosine to the nearest of them from which a question belongs."""
    action: Action = Action.REFUSE

    def named(self, language_code: str) -> str:
        """The sentences as a reader of this language is told them; all where none is in it."""
        own = [sentence for sentence in self.only if language(sentence) == language_code]
        return ("" if language_code == "zh" else " ").join(own or self.only)


class TopicJudge:
    """Judges questions by a policy's topics. Safe to call from several threads."""

    def __init__(self, encoder: TopicEncoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._vectors: OrderedDict[Topics, Vectors] = OrderedDict()

    def about(self, topics: Topics, texts: Sequence[str], language_code: str) -> bool:
        """Whether one of the texts, the same question in several words, is about the topics; True where are none."""
        if not topics.only:
            return True
        if self._encoder.knows(language_code):
            return self.likeness(topics, texts) >= topics.least
        said = [text for text in (*topics.only, *topics.examples) if language(text) == language_code]
        known = {term for text in said for term in analyse(text, language_code)}
        return not known or any(known & set(analyse(text[:_LOOKED_AT], language_code)) for text in texts)

    def likeness(self, topics: Topics, texts: Sequence[str]) -> float:
        """The highest cosine between one of the texts and one of the policy's sentences or examples."""
        asked = self._encoder.encode([text[:_LOOKED_AT] for text in texts])
        return float((asked @ self._known(topics).T).max())

    def _known(self, topics: Topics) -> Vectors:
        with self._lock:
            found = self._vectors.get(topics)
            if found is None:
                found = self._encoder.encode([*topics.only, *topics.examples, *_ABOUT_THE_APP])
                self._vectors[topics] = found
                if len(self._vectors) > _KEPT:
                    self._vectors.popitem(last=False)
            return found

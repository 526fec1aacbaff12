"""Is a question about what the site is for? The off-topic rule of a policy: "only talk about X".

judge = TopicJudge(encoder)
judge.about(topics, ["How do I feed a sourdough starter?"], "en")      # True where X is baking

Covered: a language that the encoder knows is judged by meaning. A question is as near as its cosine to the nearest of
the policy's sentences, or to the nearest example question less `_EXAMPLE`; of that goes `_SHARE` of its cosine to the
nearest of some everyday subjects that the policy does not speak of. In a language that the encoder does not know a
question is judged by its words, where the policy has sentences or examples in that language: one shared word with a
meaning is enough. `python -m evaluation.topics` measures it.
Not covered: a language in which the policy says nothing and which the encoder does not know; there everything passes.
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
_EXAMPLE = 0.1
"""Two questions are alike for being questions: so much more like one an example must be than a sentence."""
_SHARE = 0.4
_SAME = 0.4
"""Cosine to one of the policy's sentences from which a subject counts as one that it speaks of."""
_SUBJECTS = (
    "Sports: matches, teams, players, training and results.",
    "Health and medicine: illnesses, symptoms, treatments and fitness.",
    "History: wars, rulers, revolutions and ancient civilisations.",
    "Geography: countries, capitals, cities, rivers and mountains.",
    "Films, television and celebrities.",
    "Books, novels, poems and writers.",
    "Music: songs, bands, instruments and composers.",
    "Painting, sculpture and architecture.",
    "Mathematics: equations, geometry and statistics.",
    "Physics and chemistry: forces, atoms, energy and reactions.",
    "Biology: animals, plants, cells and evolution.",
    "Astronomy: planets, stars and space travel.",
    "Computers: programming, software, the internet and devices.",
    "Money: investing, banks, loans, taxes and the economy.",
    "Business: companies, marketing, management and accounting.",
    "Law: contracts, courts, rights and crimes.",
    "Work: jobs, applications, pay and careers.",
    "Politics: elections, governments, presidents and parties.",
    "Religion, philosophy and the meaning of life.",
    "Psychology, dreams and feelings.",
    "Love, family, friendship and raising children.",
    "School and learning: exams, essays and homework.",
    "Languages: translation, grammar and vocabulary.",
    "Cooking: recipes, ingredients and restaurants.",
    "Gardening: plants, soil and pests.",
    "Pets: dogs, cats and their care.",
    "Travel: flights, hotels, sights and holidays.",
    "Cars, bicycles and transport: driving, repairs and engines.",
    "Home: cleaning, furniture, repairs and do it yourself.",
    "Clothes, fashion and beauty.",
    "Games: video games, chess, cards and puzzles.",
    "Weather and climate.",
    "Shopping: prices, products and recommendations.",
    "Crafts and hobbies: knitting, photography and drawing.",
    "Write a story, a poem, a joke or an e-mail.",
    "News and current events.",
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
    """How near a question must be."""
    action: Action = Action.REFUSE

    def named(self, language_code: str) -> str:
        """The sentences as a reader of this language is told them; all where none is in it."""
        own = [sentence for sentence in self.only if language(sentence) == language_code]
        return ("" if language_code == "zh" else " ").join(own or self.only)


@dataclass(frozen=True, slots=True)
class _Known:
    """A policy's vectors, a row each."""

    only: Vectors
    examples: Vectors
    subjects: Vectors
    """Of the subjects that it does not speak of."""


class TopicJudge:
    """Judges questions by a policy's topics. Safe to call from several threads."""

    def __init__(self, encoder: TopicEncoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._vectors: OrderedDict[Topics, _Known] = OrderedDict()

    def about(self, topics: Topics, texts: Sequence[str], language_code: str) -> bool:
        """Whether one of the texts, the same question in several words, is about the topics; True where are none."""
        if not topics.only:
            return True
        if self._encoder.knows(language_code):
            return bool((self.nearness(topics, texts) >= topics.least).any())
        said = [text for text in (*topics.only, *topics.examples) if language(text) == language_code]
        known = {term for text in said for term in _words(text, language_code)}
        return not known or any(known & _words(text, language_code) for text in texts)

    def nearness(self, topics: Topics, texts: Sequence[str]) -> Vectors:
        """How near each text is to the topics, shape (texts,)."""
        asked = self._encoder.encode([text[:_LOOKED_AT] for text in texts])
        known = self._known(topics)
        near = np.maximum(_nearest(asked, known.only), _nearest(asked, known.examples) - _EXAMPLE)
        found: Vectors = near - _SHARE * np.maximum(_nearest(asked, known.subjects), 0)
        return found

    def _known(self, topics: Topics) -> _Known:
        with self._lock:
            found = self._vectors.get(topics)
            if found is None:
                only = self._encoder.encode(topics.only)
                subjects = self._encoder.encode(_SUBJECTS)
                others = subjects[_nearest(subjects, only) < _SAME]
                found = self._vectors[topics] = _Known(only, self._encoder.encode(topics.examples), others)
                if len(self._vectors) > _KEPT:
                    self._vectors.popitem(last=False)
            return found


def _words(text: str, language_code: str) -> set[str]:
    """Words with a meaning. A single Chinese character is none: 家 stands in 国家 and in 在家."""
    return {term for term in analyse(text[:_LOOKED_AT], language_code) if len(term) > 1}


def _nearest(asked: Vectors, known: Vectors) -> Vectors:
    """Of each row of `asked`, the highest cosine to a row of `known`; -1 where that has none."""
    if not len(known):
        return np.full(len(asked), -1, dtype=np.float32)
    nearest: Vectors = (asked @ known.T).max(axis=1)
    return nearest

"""Found passages with their neighbours in the document, as long as those stay on the subject.

OpenChatKit's neighbour joining (its `search` with `w` and `w_th`): from a passage that was found go outward, up to
`width` passages on either side; take a neighbour while its cosine with the found one is above `least`, and stop at the
first that is not. Unlike there nothing is encoded for it: a passage's vector is the mean of its sentences' vectors as
they are stored, and one that has none yet ends the walk. Neighbours never cross into another document, and nothing is
given twice: the walk also ends at a passage that is given already, and at one that is nearly the same as another that
is (`retrieval.alike`).

What is joined goes into `Passage.before` and `Passage.after`: the passage stays what it was, for whoever cites or opens
it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from errors import SourceError
from retrieval.alike import Distinct, shingles
from retrieval.base import Passage
from retrieval.vectors import Stored, encoded_texts, units, vector_key

_BETWEEN = "\n\n"

logger = logging.getLogger(__name__)


class Surroundings(Protocol):
    """What is asked of the index: a `retrieval.index_protocol.Index`."""

    def around(self, passage_ids: Sequence[str], owner: str, width: int) -> list[list[Passage]]: ...

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """Joins neighbours to passages of an index; those of other sources stay as they are. Safe for threads."""

    index: Surroundings
    width: int
    """Passages on either side at most; 0 joins none."""
    least: float
    """The cosine that a neighbour's vector must exceed, -1..1."""

    def join(self, passages: Sequence[Passage], owner: str) -> list[Passage]:
        """The passages, best first as they come, each with the neighbours that belong to it."""
        if self.width < 1 or not passages:
            return list(passages)
        try:
            around = self.index.around([passage.id for passage in passages], owner, self.width)
        except SourceError as error:
            logger.warning("Passages are given without their neighbours: %s", error)
            return list(passages)
        vectors = self._vectors([*passages, *(neighbour for each in around for neighbour in each)])
        given, distinct = {passage.id for passage in passages}, Distinct()
        for passage in passages:
            distinct.add(shingles(passage.text, passage.language))

        def walk(found: Passage, outward: Iterable[Passage]) -> list[Passage]:
            joined: list[Passage] = []
            own = vectors.get(found.id)
            for one in outward:
                other = vectors.get(one.id)
                if own is None or other is None or float(own @ other) <= self.least or one.id in given:
                    break
                if not distinct.add(shingles(one.text, one.language)):
                    break
                given.add(one.id)
                joined.append(one)
            return joined

        return [
            _with(
                passage,
                walk(passage, reversed([one for one in neighbours if one.start < passage.start])),
                walk(passage, [one for one in neighbours if one.start > passage.start]),
            )
            for passage, neighbours in zip(passages, around, strict=True)
        ]

    def _vectors(self, passages: Sequence[Passage]) -> dict[str, NDArray[np.float32]]:
        """By passage id the mean of its stored vectors, of length 1."""
        distinct = list({passage.id: passage for passage in passages}.values())
        keys = [vector_key(encoded_texts(passage, units(passage.text))) for passage in distinct]
        found = {}
        for passage, stored in zip(distinct, self.index.vectors(keys), strict=True):
            if stored is not None and len(stored):
                mean = stored.astype(np.float32).mean(axis=0)
                found[passage.id] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return found


def _with(passage: Passage, before: Sequence[Passage], after: Sequence[Passage]) -> Passage:
    """The passage with the texts of its neighbours, nearest first."""
    if not before and not after:
        return passage
    return replace(
        passage,
        before=_BETWEEN.join(one.text for one in reversed(before)),
        after=_BETWEEN.join(one.text for one in after),
    )

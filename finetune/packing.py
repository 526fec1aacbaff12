"""Several conversations in one row, none of which can look at another.

    for row in pack(tokens, length=2048):
        row.fields        # {"input_ids", "labels", "seq_lengths"}, a row of TRL's SFTTrainer

First fit decreasing: the longest conversations first, each into the first row with room for it; at most 11/9 of the
rows that are needed, and 6/9 of one (D. S. Johnson, Near-optimal bin packing algorithms, MIT 1973; G. Dósa, The tight
bound of first fit decreasing, 2007). No conversation is cut.

How the rows are trained on. TRL's collator with `padding_free=True` joins the rows of a batch, sends `position_ids`
that begin anew at each of `seq_lengths`, and no attention mask. From positions that jump, transformers
(masking_utils.find_packed_sequence_indices) makes a block-diagonal causal mask for eager, sdpa and flex attention, and
flash attention takes the boundaries as they are: so this holds on a CPU too. It holds only without an attention mask
and without a cache of keys and values (SFTTrainer switches it off, a bare `model(…)` needs `use_cache=False`): else the
mask does not look at the positions, and conversations see those before them. For SFTTrainer that is

    SFTConfig(padding_free=True, packing=False, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})

with a data set of `fields`. The first token of each conversation is never a target, packed or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

IGNORED = -100
"""The label of a token that is not taught (`ignore_index` of torch.nn.CrossEntropyLoss)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row. Empty where not even the last question fits the length."""

    ids: tuple[int, ...]
    taught: tuple[bool, ...]
    dropped: int = 0
    """Turns that were left out at the beginning, to fit the length."""
    cut: int = 0
    """Tokens that were cut off the end of the last answer, which then has no end."""

    @property
    def labels(self) -> list[int]:
        """`ids` where they are taught, `IGNORED` elsewhere."""
        return [id_ if taught else IGNORED for id_, taught in zip(self.ids, self.taught, strict=True)]


class Fields(TypedDict):
    """A row as TRL's SFTTrainer takes it, prepared."""

    input_ids: list[int]
    labels: list[int]
    seq_lengths: list[int]


@dataclass(frozen=True, slots=True)
class Packed:
    """Several conversations in a row, one behind the other."""

    parts: tuple[Tokens, ...]

    @property
    def fields(self) -> Fields:
        return Fields(
            input_ids=[id_ for part in self.parts for id_ in part.ids],
            labels=[label for part in self.parts for label in part.labels],
            seq_lengths=[len(part.ids) for part in self.parts],
        )


def pack(rows: Sequence[Tokens], length: int) -> list[Packed]:
    """`rows`, each of at most `length` tokens, in rows of at most `length`. Empty ones fall out.

    Rows stand in the order of their longest conversation, so whoever trains on them shuffles them.
    """
    order = sorted((row for row in rows if row.ids), key=lambda row: len(row.ids), reverse=True)
    room = _Room(length, len(order))
    packed: list[list[Tokens]] = []
    for row in order:
        at = room.take(len(row.ids))
        if at == len(packed):
            packed.append([])
        packed[at].append(row)
    return [Packed(tuple(parts)) for parts in packed]


class _Room:
    """How much is free in each row: a tree of maxima, so that the first row with room is found in log steps."""

    def __init__(self, length: int, rows: int) -> None:
        self._leaves = 1 << max(0, rows - 1).bit_length()
        self._most = [length] * (2 * self._leaves)

    def take(self, size: int) -> int:
        """The first row with `size` tokens of room, which are taken. Raises `ValueError` when a row is too short."""
        if size > self._most[1]:
            raise ValueError(f"{size} tokens do not fit a row of {self._most[1]}")
        node = 1
        while node < self._leaves:
            node = 2 * node if self._most[2 * node] >= size else 2 * node + 1
        at = node - self._leaves
        self._most[node] -= size
        while node > 1:
            node //= 2
            self._most[node] = max(self._most[2 * node], self._most[2 * node + 1])
        return at

"""Keys and values of many conversations, one row each: a step of the network reads all of them at once.

A stand-in for the cache that transformers' models write to. Rows may have different lengths: row r holds what was read
at positions 0..n_r, and a mask hides what lies beyond. So a network needs nothing but an explicit mask and positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache


class Rows(Cache):  # type: ignore[misc]  # its base has no types
    """One tensor of keys and one of values per layer, shape (rows, heads, capacity, width); allocated at first use."""

    def __init__(self, layers: int) -> None:
        self.layers: list[Any] = []  # a `Cache` has them; here the tensors are kept whole
        self.count = 0
        self.capacity = 0
        self._stored: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self._first, self._rows, self._length = 0, 1, 0
        self._index = self._places = torch.zeros(1, dtype=torch.long)

    @property
    def bytes_per_token(self) -> int:
        """Of one row, all layers; 0 until something was written."""
        return sum(
            tensor.shape[1] * tensor.shape[3] * tensor.element_size()
            for pair in self._stored
            if pair is not None
            for tensor in pair
        )

    def resize(self, count: int, capacity: int) -> None:
        """Make it `count` rows of `capacity` tokens; what has room in both stays.

        Where memory runs out over it, it has as many rows and tokens as every layer has by then.
        """
        self.count, self.capacity, before = count, capacity, (self.count, self.capacity)
        for layer, pair in enumerate(self._stored):
            if pair is None or (pair[0].shape[0], pair[0].shape[2]) == (count, capacity):
                continue
            try:
                self._stored[layer] = _resized(pair[0], count, capacity), _resized(pair[1], count, capacity)
            except Exception:
                self.count, self.capacity = min(count, before[0]), min(capacity, before[1])
                raise

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self.count = self.capacity = 0
        self._stored = [None] * len(self._stored)

    def read_into(self, row: int, start: int, tokens: int) -> None:
        """The next forward pass reads `tokens` tokens of one row, from position `start`."""
        self._first, self._rows, self._length = row, 1, start + tokens
        self._index = torch.empty(0, dtype=torch.long)

    def step(self, places: Tensor, length: int) -> None:
        """The next pass reads one token of each of the first len(places) rows, at these positions, below `length`."""
        self._first, self._rows, self._length = 0, len(places), length
        self._index, self._places = torch.arange(len(places), device=places.device), places

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Store what a layer computed, shape (rows, heads, tokens, width), and give it all it may look at."""
        pair = self._stored[layer_idx]
        if pair is None:
            pair = _empty(key_states, self.count, self.capacity), _empty(value_states, self.count, self.capacity)
            self._stored[layer_idx] = pair
        for stored, new in zip(pair, (key_states, value_states), strict=True):
            if len(self._index):
                index, places = self._index.to(new.device), self._places.to(new.device)
                stored[index, :, places] = new[:, :, 0]
            else:
                stored[self._first, :, self._length - new.shape[2] : self._length] = new[0]
        rows = slice(self._first, self._first + self._rows)
        return pair[0][rows, :, : self._length], pair[1][rows, :, : self._length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Of no use where rows have lengths of their own: positions are always given."""
        return self._length

    def swap(self, one: int, other: int) -> None:
        """Exchange two rows: all of them, or where memory runs out over it nothing."""
        if one == other:
            return
        tensors = [stored for pair in self._stored for stored in pair or ()]
        spare = {_kind(stored): torch.empty_like(stored[one]) for stored in tensors}
        for stored in tensors:
            kept = spare[_kind(stored)].copy_(stored[one])
            stored[one] = stored[other]
            stored[other] = kept

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first `tokens` tokens of a row to another."""
        for pair in self._stored if source != target else ():
            for stored in pair or ():
                stored[target, :, :tokens] = stored[source, :, :tokens]


def _kind(stored: Tensor) -> tuple[object, ...]:
    """What a row of it is like."""
    return stored.shape[1:], stored.dtype, stored.device


def _empty(like: Tensor, count: int, capacity: int) -> Tensor:
    return torch.zeros((count, like.shape[1], capacity, like.shape[3]), dtype=like.dtype, device=like.device)


def _resized(old: Tensor, count: int, capacity: int) -> Tensor:
    new = _empty(old, count, capacity)
    rows, tokens = min(count, old.shape[0]), min(capacity, old.shape[2])
    new[:rows, :, :tokens] = old[:rows, :, :tokens]
    return new

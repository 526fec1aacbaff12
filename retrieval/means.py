"""One vector per passage, the mean of its units' vectors, in so few bytes that a question is compared with all of them.

Candidates in other words than the question's come from here. A component is an 8-bit number, with one scale per
passage: a million passages of 384 dimensions take 390 MB of memory, and are compared in 68 ms on two busy cores
(measured). That is what the vector file says once more, so nothing of it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.vectors import VectorFile

_CHUNK = 2**16
"""Passages that are compared at once; beyond them room is made for as many more."""
_FIRST = 2**10
_STEP = 64
"""Columns come in multiples of this, as the processor takes them."""
_MOST = 127


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Room for some passages. What is in it does not change; more may be written after it."""

    keys: NDArray[np.int64]
    means: NDArray[np.int8]
    """Shape (room, dimension in multiples of `_STEP`)."""
    scales: NDArray[np.float32]

    @staticmethod
    def of(room: int, columns: int) -> _Chunk:
        return _Chunk(np.empty(room, np.int64), np.zeros((room, columns), np.int8), np.empty(room, np.float32))

    def larger(self, filled: int) -> _Chunk:
        """The same with more room."""
        new = _Chunk.of(min(_CHUNK, 4 * len(self.keys)), self.means.shape[1])
        new.keys[:filled], new.means[:filled], new.scales[:filled] = (
            self.keys[:filled],
            self.means[:filled],
            self.scales[:filled],
        )
        return new


class Means:
    """One thread reads the vector file; any number may look for what is nearest."""

    def __init__(self) -> None:
        self._filled: tuple[tuple[_Chunk, int], ...] = ()
        """Chunks and how much of each is filled; replaced as one, for readers' sake."""
        self._rows = 0

    def __len__(self) -> int:
        return sum(filled for _, filled in self._filled)

    def catch_up(self, file: VectorFile) -> None:
        """Take in what was added to the file since the last time. Always give the same file."""
        for keys, means, after in file.means(self._rows):
            largest = np.abs(means).max(axis=1)
            scales = np.maximum(largest, np.float32(1e-6)) / _MOST
            self._take(keys, np.rint(means / scales[:, None]).astype(np.int8), scales)
            self._rows = after

    def _take(self, keys: NDArray[np.int64], means: NDArray[np.int8], scales: NDArray[np.float32]) -> None:
        columns = -(-means.shape[1] // _STEP) * _STEP
        at = 0
        while at < len(keys):
            before = self._filled
            chunk, filled = before[-1] if before else (_Chunk.of(_FIRST, columns), 0)
            before = before[:-1]
            if filled == _CHUNK:
                before, chunk, filled = (*before, (chunk, filled)), _Chunk.of(_CHUNK, columns), 0
            elif filled == len(chunk.keys):
                chunk = chunk.larger(filled)
            count = min(len(keys) - at, len(chunk.keys) - filled)
            chunk.keys[filled : filled + count] = keys[at : at + count]
            chunk.means[filled : filled + count, : means.shape[1]] = means[at : at + count]
            chunk.scales[filled : filled + count] = scales[at : at + count]
            self._filled = (*before, (chunk, filled + count))
            at += count

    def nearest(self, question: NDArray[np.float32], count: int) -> list[int]:
        """The `vector_key` of the `count` passages whose mean has the highest product with a question's vector."""
        found_keys, found_scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for chunk, filled in self._filled:
            scores = _products(chunk.means[:filled], chunk.scales[:filled], question)
            best = np.argpartition(-scores, count - 1)[:count] if filled > count else np.arange(filled)
            found_keys.append(chunk.keys[best])
            found_scores.append(scores[best])
        order = np.argsort(-np.concatenate(found_scores), kind="stable")[:count]
        keys: list[int] = np.concatenate(found_keys)[order].tolist()
        return keys


def _products(
    means: NDArray[np.int8], scales: NDArray[np.float32], question: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Dot products of a question with every mean, by PyTorch's kernel for 8-bit weights, which reads each byte once."""
    import torch

    padded = torch.zeros(1, means.shape[1], dtype=torch.bfloat16)
    padded[0, : len(question)] = torch.from_numpy(question)
    with torch.inference_mode():
        found = torch.ops.aten._weight_int8pack_mm(
            padded, torch.from_numpy(means), torch.ones(len(means), dtype=torch.bfloat16)
        )
        products: NDArray[np.float32] = found[0].float().numpy() * scales
    return products

"""What a row of Milvus holds. python -m pytest tests/test_milvus_rows.py"""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.base import Passage
from retrieval.milvus_rows import LONGEST, packed, passage_row, terms, tile_of, units_of, unpacked, vectors_of
from retrieval.split import Tile


def test_values_of_any_size_fit_into_fields() -> None:
    value = {"text": "".join(chr(0x4E00 + (i * 7919) % 20000) for i in range(200_000)), "half": "\ud83d"}
    parts = packed(value)
    assert len(parts) > 5 and all(len(part) <= LONGEST for part in parts)
    assert unpacked(parts)["text"] == value["text"]


def test_rows_hold_what_a_tile_holds() -> None:
    passage = Passage("d#7", "Text.", "Title", "documents", "d", "A › B", "page 1", language="en", start=3, end=8)
    tile = Tile(passage, "ab\n", "", 5, ((0, "page 1"),))
    row, others = passage_row(tile, "0123456789abcdef", "anna", 4)
    assert others == [] and tile_of([row["stored"]]) == (tile, "anna")
    assert row["ordinal"] == 7 and row["dense"] == [0.0] * 4
    assert terms(["text", "长城"]) == f"{b'text'.hex()} {'长城'.encode().hex()}"


def test_vectors_survive_as_eight_bit_numbers() -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row = vectors_of("0a", vectors)
    assert np.linalg.norm(row["dense"]) == pytest.approx(1)
    back = units_of(row, 384)
    assert back is not None and back.shape == (5, 384)
    assert np.sum(back.astype(np.float32) * vectors, axis=1).min() > 0.9995
    assert units_of({"units": ""}, 384) is None
    assert vectors_of("0a", np.ones((64, 4096)))["units"] == ""  # too long; they are encoded when asked for

"""How documents are kept in Milvus: two collections, their fields and indexes, and values that fit into a field.

The *passages* hold one row each: its terms for BM25, each in hexadecimal, because Milvus' own tokenizers must find them
again as they are; a dense vector, the mean of its units'; the units' vectors as 8-bit numbers for the reranker; and
the stretch of the document that it stands for (`Tile`). The *documents* hold their descriptions, the markers of those
that are being added, and what is too long for a field of its own row. A passage counts only where the documents have
a description of the same version: so a document is seen wholly or not at all, though Milvus knows no transactions.

Owners, sources and ids become hashes where a filter names them: filters are text, and ids may hold anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.split import Tile
from retrieval.stored import tile_from, tile_values
from retrieval.text import ANALYSIS, analyse
from retrieval.vectors import Stored, encoded_texts, units, vector_key

Row = dict[str, Any]

WHOLE, MARKER, PIECE, STEMMER = "whole", "marker", "piece", "stemmer"
"""Kinds of rows of the documents."""
K1, B = 1.2, 0.75
"""BM25's, as tantivy has them."""
LONGEST = 60_000
"""Bytes in a field; Milvus' limit is 65,535."""
_M, _EF_CONSTRUCTION = 16, 200
_HASH_CHARS = 32


def collection(kind: str, dimension: int) -> str:
    """Name of a collection. Another analysis, or vectors of another length, go into others."""
    return f"groundchat_{ANALYSIS}_{dimension}_{kind}"


def passages_schema(dimension: int) -> tuple[Any, Any]:
    """Schema and indexes of the passages."""
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("pk", DataType.VARCHAR, is_primary=True, max_length=64)
    for name in ("scope", "document", "version", "language", "encoded"):
        schema.add_field(name, DataType.VARCHAR, max_length=_HASH_CHARS)
    for name in ("ordinal", "key", "pieces"):
        schema.add_field(name, DataType.INT64)
    schema.add_field(
        "body",
        DataType.VARCHAR,
        max_length=65_535,
        enable_analyzer=True,
        enable_match=True,
        analyzer_params={"tokenizer": "standard"},
    )
    for name in ("stored", "units"):
        schema.add_field(name, DataType.VARCHAR, max_length=65_535)
    schema.add_field("terms", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dimension)
    schema.add_function(Function("bm25", FunctionType.BM25, ["body"], ["terms"]))
    indexes = MilvusClient.prepare_index_params()
    bm25 = {"bm25_k1": K1, "bm25_b": B}
    indexes.add_index("terms", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params=bm25)
    # One byte a number in memory; the full ones stay on disk.
    graph = {"M": _M, "efConstruction": _EF_CONSTRUCTION, "sq_type": "SQ8"}
    indexes.add_index("dense", index_type="HNSW_SQ", metric_type="IP", params=graph)
    for name in ("scope", "document", "version", "encoded", "key", "ordinal"):
        indexes.add_index(name, index_type="INVERTED")
    return schema, indexes


def documents_schema() -> tuple[Any, Any]:
    """Schema and indexes of the documents. Milvus wants a vector in every collection: `none` is one."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("pk", DataType.VARCHAR, is_primary=True, max_length=128)
    for name in ("kind", "scope", "document", "owner", "version"):
        schema.add_field(name, DataType.VARCHAR, max_length=_HASH_CHARS)
    schema.add_field("pieces", DataType.INT64)
    schema.add_field("stored", DataType.VARCHAR, max_length=65_535)
    schema.add_field("none", DataType.FLOAT_VECTOR, dim=2)
    indexes = MilvusClient.prepare_index_params()
    indexes.add_index("none", index_type="FLAT", metric_type="L2")
    for name in ("kind", "scope", "document", "owner", "version"):
        indexes.add_index(name, index_type="INVERTED")
    return schema, indexes


def named(*parts: str) -> str:
    """What stands for these parts in a filter: 32 hex digits."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:_HASH_CHARS]


def among(field: str, values: Sequence[str | int]) -> str:
    """Filter: the field has one of the values, which are hashes, versions, codes or numbers."""
    return f"{field} in {json.dumps(list(values))}"


def terms(words: Sequence[str]) -> str:
    """Terms of the analysis as Milvus' standard tokenizer keeps them apart and whole."""
    return " ".join(word.encode("utf-8", "replace").hex() for word in words)


def pk_of(version: str, ordinal: int) -> str:
    return f"{version}-{ordinal:09d}"


def passage_row(tile: Tile, version: str, owner: str, dimension: int) -> tuple[Row, list[Row]]:
    """A passage, without its vectors; and rows for what does not fit into it."""
    passage = tile.passage
    heard = f"{passage.title}\n{passage.section}\n{passage.text}"
    body = terms(analyse(heard, passage.language, stopwords=True))
    ordinal = int(passage.id.rpartition("#")[2])
    first, *others = packed(tile_values(tile, owner))
    pk = pk_of(version, ordinal)
    row = {
        "pk": pk,
        "scope": named(passage.source, owner),
        "document": named(passage.document, owner),
        "version": version,
        "language": passage.language[:_HASH_CHARS],
        "encoded": "",
        "ordinal": ordinal,
        "key": vector_key(encoded_texts(passage, units(passage.text))),
        "pieces": len(others),
        "body": body[:LONGEST].rpartition(" ")[0] if len(body) > LONGEST else body,
        "stored": first,
        "units": "",
        "dense": [0.0] * dimension,
    }
    return row, pieces(pk, version, others)


def document_row(
    kind: str, key: str, version: str, value: Any, *, scope: str = "", document: str = "", owner: str = ""
) -> list[Row]:
    """A row of the documents, and those for what does not fit into it. `scope`, `document`, `owner`: hashes."""
    first, *others = packed(value)
    pk = f"{kind}-{key}"
    row = {"pk": pk, "kind": kind, "scope": scope, "document": document, "owner": owner, "version": version}
    return [row | {"pieces": len(others), "stored": first, "none": [0.0, 0.0]}, *pieces(pk, version, others)]


def pieces(pk: str, version: str, parts: Sequence[str]) -> list[Row]:
    """Rows of the documents that hold what does not fit into the row `pk`."""
    empty = {"kind": PIECE, "scope": "", "document": "", "owner": "", "version": version, "pieces": 0}
    return [
        empty | {"pk": piece_pk(pk, number), "stored": part, "none": [0.0, 0.0]}
        for number, part in enumerate(parts, start=1)
    ]


def piece_pk(pk: str, number: int) -> str:
    return f"{pk}.{number}"


def packed(value: Any) -> list[str]:
    """A value of JSON in strings that fit into fields: compressed, in Base64."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    text = base64.b64encode(zlib.compress(data)).decode("ascii")
    return [text[at : at + LONGEST] for at in range(0, len(text), LONGEST)]


def unpacked(parts: Sequence[str]) -> Any:
    """What `packed` made of a value."""
    return json.loads(zlib.decompress(base64.b64decode("".join(parts))))


def tile_of(parts: Sequence[str]) -> tuple[Tile, str]:
    """The tile that a passage's row stores, and its owner."""
    return tile_from(unpacked(parts))


def vectors_of(encoder: str, vectors: NDArray[Any]) -> Row:
    """The fields of a passage for the vectors of its units, shape (units, dimension); `encoder` is their hash."""
    full = np.asarray(vectors, np.float32)
    mean = full.mean(axis=0)
    return {
        "encoded": encoder,
        "dense": (mean / max(float(np.linalg.norm(mean)), 1e-12)).tolist(),
        "units": _quantised(full),
    }


def _quantised(vectors: NDArray[np.float32]) -> str:
    """Vectors as 8-bit numbers, each with a scale of its own; empty where they do not fit into a field."""
    scales = np.maximum(np.abs(vectors).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    data = scales.tobytes() + np.rint(vectors / scales).astype(np.int8).tobytes()
    text = base64.b64encode(data).decode("ascii")
    return text if len(text) <= LONGEST else ""


def units_of(row: Mapping[str, Any], dimension: int) -> Stored | None:
    """The vectors of a passage's units; None where there are none yet."""
    if not row["units"]:
        return None
    data = base64.b64decode(row["units"])
    count = len(data) // (dimension + 4)
    scales = np.frombuffer(data, np.float32, count)[:, None]
    numbers = np.frombuffer(data, np.int8, offset=4 * count).reshape(count, dimension)
    return (numbers * scales).astype(np.float16)

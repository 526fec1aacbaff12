"""Documents of an index that was written in another form, or with another analysis, part by part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from retrieval.base import Incoming, Part, Passage
from retrieval.split import Tile
from retrieval.stored import LAST, DocumentInfo, info_of, tile_of

_FIRST = "first"
"""Value of `part` where a document's description is with its first passage, and everything is stored by name."""
_AT_ONCE = 256
_PART_CHARS = 2**16


def documents(folder: Path) -> Iterator[tuple[Incoming, float]]:
    """The documents of the index in a folder, and when each was added (Unix time in seconds).

    Raises `ValueError`, `KeyError` or `TypeError` where it cannot be read.
    """
    import tantivy

    index = tantivy.Index.open(str(folder))
    searcher, fields = index.searcher(), index.schema
    query = tantivy.Query.term_set_query(fields, "part", [_FIRST, LAST])
    for _, address in searcher.search(query, max(1, searcher.num_docs), count=False).hits:
        info = _info(searcher.doc(address))
        yield _incoming(searcher, fields, info), info.added


def _incoming(searcher: Any, fields: Any, info: DocumentInfo) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        return islice(_parts(_tiles(searcher, fields, info), info.characters), start, None)

    return Incoming(info.id, info.title, info.source, parts, info.owner, info.url, info.language, info.name)


def _tiles(searcher: Any, fields: Any, info: DocumentInfo) -> Iterator[Tile]:
    from tantivy import Occur, Query

    of = {"owner": info.owner} | ({"version": info.version} if info.version else {})
    theirs = [(Occur.Must, Query.term_query(fields, name, value, "basic")) for name, value in of.items()]
    for at in range(0, info.passages, _AT_ONCE):
        ids = [f"{info.id}#{number}" for number in range(at, at + _AT_ONCE)]
        query = Query.boolean_query([(Occur.Must, Query.term_set_query(fields, "id", ids)), *theirs])
        hits = searcher.search(query, _AT_ONCE, count=False).hits
        yield from sorted((_tile(searcher.doc(address)) for _, address in hits), key=lambda tile: tile.passage.start)


def _parts(tiles: Iterator[Tile], characters: int) -> Iterator[Part]:
    """The text again, from place to place. A place that began within a passage continued the one before it."""
    text, place, continues, done = "", "", False, 0.0
    for tile in tiles:
        whole, read = tile.text, 0
        for offset, begins in tile.marks:
            text += whole[read : offset - tile.start]
            if text:
                yield Part(text, place, continues, done)
            text, read, place, continues = "", offset - tile.start, begins, offset > tile.passage.start
        text += whole[read:]
        done = min(1.0, (tile.start + len(whole)) / characters)
        if len(text) >= _PART_CHARS:
            yield Part(text, place, continues, done)
            text, continues = "", True
    if text:
        yield Part(text, place, continues, 1.0)


def _info(hit: Any) -> DocumentInfo:
    told = json.loads(hit.get_first("info"))
    return DocumentInfo(**told) if isinstance(told, dict) else info_of(hit)


def _tile(hit: Any) -> Tile:
    told = json.loads(hit.get_first("passage"))
    if not isinstance(told, dict):
        return tile_of(hit)
    before, after = json.loads(hit.get_first("around"))
    return Tile(Passage(**told), before, after)

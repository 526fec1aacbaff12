"""How a document is kept in the index: fields, scopes, bytes.

Each passage is one entry, which stores the text up to the next passage too: the passages are the document. The last
one carries its description, so that the index holds nothing but passages: BM25 reckons with their number and mean
length. While a document is being added there is a marker beside its passages, which says how far it is; a document
without a description, or with a marker, is not there for anybody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson

from retrieval.base import Document, Passage
from retrieval.split import Tile
from retrieval.text import ANALYSIS, analyse, stemmed_alike
from retrieval.vectors import encoded_texts, units, vector_key

FOLDER = f"bm25-{ANALYSIS}-3"
"""Its name says the analysis and the form of what is stored: what has another name is taken over when it is opened."""
LAST, MARKER = "last", "marker"
"""Values of `part`: the passage with the description, and the marker of a document that is being added."""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What a list of documents shows about one of them."""

    id: str
    title: str
    source: str
    owner: str
    url: str
    language: str
    passages: int
    characters: int
    added: float
    """Unix time in seconds."""
    name: str = ""
    """Name of its file, where it came in one."""
    version: str = ""
    """Names this adding of it: a document that replaces one of the same id has another."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A document that was begun to be added. Nothing of it can be found yet; it can be gone on with, or discarded."""

    id: str
    title: str
    source: str
    owner: str
    name: str
    passages: int
    """So far."""
    done: float
    """Share of the file that has been read, 0..1."""
    begun: float
    """Unix time in seconds."""


_OF_A_SEARCH = frozenset({"score", "leads", "before", "after"})
"""What a passage has for one question only; the rest is stored, in this order."""
_PASSAGE = attrgetter(*(field.name for field in fields(Passage) if field.name not in _OF_A_SEARCH))
_INFO = attrgetter(*(field.name for field in fields(DocumentInfo)))
"""Values in the order of the fields: that is how both are stored."""


def schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name in ("id", "document", "version", "part", "owner", "scope", "language", "stemmer"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("key", indexed=True, fast=True)
    builder.add_integer_field("number", fast=True)
    for name in ("passage", "around", "info"):
        builder.add_bytes_field(name, stored=True)
    return builder.build()


def entry(tile: Tile, version: str, owner: str, info: DocumentInfo | None = None) -> Any:
    """A passage as tantivy has it; `info` for the last one of its document."""
    import tantivy

    passage = tile.passage
    heard = f"{passage.title}\n{passage.section}\n{passage.text}"
    first = {"stemmer": stemmed_alike(passage.language)} if passage.id.endswith("#0") else {}
    last = {"part": LAST, "info": packed(_INFO(info))} if info else {}
    return tantivy.Document(
        id=passage.id,
        document=passage.document,
        version=version,
        owner=owner,
        scope=scope(passage.source, owner),
        language=passage.language,
        body=" ".join(analyse(heard, passage.language, stopwords=True)),
        key=vector_key(encoded_texts(passage, units(passage.text))),
        passage=packed((*_PASSAGE(passage), owner)),
        around=packed((tile.before, tile.after, tile.left_out, tile.marks)),
        **first,
        **last,
    )


def marker(version: str, state: dict[str, Any]) -> Any:
    """The marker of a document that is being added, as tantivy has it; its id and owner are in `state`."""
    import tantivy

    return tantivy.Document(
        part=MARKER,
        document=state["id"],
        owner=state["owner"],
        version=version,
        info=packed({"version": version} | state),
    )


def marked(hit: Any) -> dict[str, Any]:
    """What a marker holds, `version` among it."""
    state: dict[str, Any] = orjson.loads(hit.get_first("info"))
    return state


def scope(source: str, owner: str) -> str:
    return f"{source}\x1f{owner}"


def passage_of(hit: Any, score: float = 0.0) -> Passage:
    return owned(hit, score)[0]


def owned(hit: Any, score: float = 0.0) -> tuple[Passage, str]:
    """A passage and its owner."""
    *values, owner = orjson.loads(hit.get_first("passage"))
    return replace(Passage(*values), score=score), owner


def tile_of(hit: Any) -> Tile:
    before, after, left_out, marks = orjson.loads(hit.get_first("around"))
    return Tile(passage_of(hit), before, after, left_out, tuple((offset, place) for offset, place in marks))


def info_of(hit: Any) -> DocumentInfo:
    return DocumentInfo(*orjson.loads(hit.get_first("info")))


def tile_values(tile: Tile, owner: str) -> list[Any]:
    """A tile and its owner as JSON can hold them."""
    return [(*_PASSAGE(tile.passage), owner), (tile.before, tile.after, tile.left_out, tile.marks)]


def tile_from(values: Sequence[Any]) -> tuple[Tile, str]:
    """What `tile_values` gave."""
    (*passage, owner), (before, after, left_out, marks) = values
    return Tile(Passage(*passage), before, after, left_out, tuple((offset, place) for offset, place in marks)), owner


def info_values(info: DocumentInfo) -> tuple[Any, ...]:
    """A description as JSON can hold it; `DocumentInfo(*values)` gives it back."""
    return tuple(_INFO(info))


def joined(info: DocumentInfo, tiles: Sequence[Tile]) -> Document:
    """The document whose tiles these are, all of them, in any order."""
    return Document(
        id=info.id,
        title=info.title,
        text="".join(tile.text for tile in sorted(tiles, key=lambda tile: tile.passage.start)),
        source=info.source,
        owner=info.owner,
        url=info.url,
        language=info.language,
        name=info.name,
    )


def packed(value: object) -> bytes:
    """As JSON. Not by orjson, which refuses the half characters that some files hold."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def closed(folder: Path) -> dict[str, str]:
    """The sentence for an index that was not opened, in both languages."""
    return {
        "text": f"The documents in {folder} are closed; open them first.",
        "zh": f"{folder} 中的文档尚未打开，请稍后再试。",
    }


def why_not(folder: Path, reason: str) -> dict[str, str]:
    """The sentence for an index that cannot be opened, in both languages."""
    if "LockBusy" in reason:
        return {
            "text": f"The documents in {folder} are in use by another Groundchat; stop it or choose another folder.",
            "zh": f"{folder} 中的文档正被另一个 Groundchat 使用，请先停止它，或换一个文件夹。",
        }
    reason = reason.partition("\n")[0]
    return {
        "text": f"The documents in {folder} cannot be read ({reason}); move the folder away and start again.",
        "zh": f"无法读取 {folder} 中的文档（{reason}），请移走该文件夹后重新启动。",
    }

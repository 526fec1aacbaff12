"""Indexes that were written in another form: python -m pytest tests/test_older.py"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import tantivy

from encoder import SentenceEncoder
from retrieval.base import Document, Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.split import passages
from retrieval.stored import FOLDER

MOON = "# Moon\n\nThe Moon is the only natural satellite of the Earth.\n\n## Orbit\n\nIt orbits in 27 days.\n\n***\n"
LONG = "\n\n".join(f"## Part {i}\n\nHere stands what is said about zebra{i}." for i in range(600))


def _write_first_form(folder: Path, documents: list[Document]) -> None:
    """An index in the form that Groundchat wrote first: everything by name, the description with the first passage."""
    builder = tantivy.SchemaBuilder()
    for name in ("id", "document", "part", "owner", "scope", "language", "stemmer"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("key", fast=True)
    for name in ("passage", "around", "info"):
        builder.add_bytes_field(name, stored=True)
    folder.mkdir(parents=True)
    writer = tantivy.Index(builder.build(), str(folder)).writer(15_000_000, 1)
    for document in documents:
        found = passages(document)
        ends = [0, *(passage.end for passage in found)]
        for i, passage in enumerate(found):
            stored = asdict(passage)
            del stored["place"]
            after = document.text[passage.end :] if passage is found[-1] else ""
            info = {
                **{name: getattr(document, name) for name in ("id", "title", "source", "owner", "url", "name")},
                "language": passage.language,
                "passages": len(found),
                "characters": len(document.text),
                "added": 1000.0 + len(document.id),
            }
            writer.add_document(
                tantivy.Document(
                    id=passage.id,
                    document=document.id,
                    owner=document.owner,
                    scope=f"{document.source}\x1f{document.owner}",
                    part="later" if i else "first",
                    body=passage.text,
                    passage=json.dumps(stored).encode(),
                    around=json.dumps([document.text[ends[i] : passage.start], after]).encode(),
                    **({} if i else {"info": json.dumps(info).encode()}),
                )
            )
    writer.commit()
    writer.wait_merging_threads()


def _opened(folder: Path) -> DocumentIndex:
    index = DocumentIndex(folder, SentenceEncoder())
    index.open()
    return index


def _found(index: DocumentIndex, query: str, owner: str = "") -> list[str]:
    return [passage.id for passage in index.search(SearchRequest(query, owner=owner), "documents")]


def test_the_first_form_is_taken_over(tmp_path: Path) -> None:
    given = [
        Document("a", "Moon", MOON, "documents", language="en", name="moon.md"),
        Document("long", "Long", LONG, "documents", owner="me", language="en"),
        Document("a", "Mine", "My own text.", "documents", owner="me", language="en"),
    ]
    _write_first_form(tmp_path / "bm25-2", given)
    (tmp_path / "bm25-0").mkdir()
    for _ in range(2):  # and is there at the next start
        index = _opened(tmp_path)
        assert [index.document(one.id, one.owner) for one in given] == given
        assert _found(index, "natural satellite") == ["a#0"] and _found(index, "zebra412", "me") == ["long#412"]
        assert [(info.id, info.added) for info in index.documents("documents", "me")] == [("long", 1004), ("a", 1001)]
        assert not (tmp_path / "bm25-2").exists() and (tmp_path / "bm25-0").exists()
        index.close()


def test_what_is_there_already_is_not_taken_over_again(tmp_path: Path) -> None:
    index = _opened(tmp_path)
    index.add([Document("a", "Newer", "A newer text.", "documents")])
    index.close()
    _write_first_form(
        tmp_path / "bm25-2", [Document("a", "Moon", MOON, "documents"), Document("b", "B", MOON, "documents")]
    )
    index = _opened(tmp_path)
    assert index.document("a", "").text == "A newer text."  # type: ignore[union-attr]
    assert index.document("b", "").text == MOON  # type: ignore[union-attr]
    index.close()


def test_places_are_kept_when_an_index_is_made_anew(tmp_path: Path) -> None:
    def parts(start: int) -> list[Part]:
        pages = [
            Part(f"# Page {n}\n\nHere stands word{n}, and the sentence goes", f"page {n}", n % 2 == 1) for n in range(9)
        ]
        return pages[start:]

    index = _opened(tmp_path)
    index.add_incoming(Incoming("book", "Book", "documents", lambda start: iter(parts(start))))
    before = [index.passage(f"book#{n}", "") for n in range(9)]
    document, window = index.document("book", ""), index.window("book", 3, "")
    index.close()
    (tmp_path / FOLDER).rename(tmp_path / "bm25-1")
    index = _opened(tmp_path)
    assert [index.passage(f"book#{n}", "") for n in range(9)] == before and before[4] is not None
    assert index.document("book", "") == document
    assert index.window("book", 3, "").places == window.places  # type: ignore[union-attr]
    index.close()

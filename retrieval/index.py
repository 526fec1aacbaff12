"""Documents on disk, searchable by BM25 the moment they are added; their vectors follow in the background.

One tantivy index holds the passages of all documents; a passage stores the text up to the next one too, and the first
of a document its description, so that the passages are the document. One commit writes them: after a crash a document
is there wholly or not at all. Texts are analysed by `retrieval.text` beforehand, so tantivy only splits at spaces.
BM25 is tantivy's (k1 = 1.2, b = 0.75) over title, headings and text as one field. Nothing but passages is in the index:
BM25 reckons with their number and mean length.

Every look-up is bound to an owner: a visitor finds what is public (owner "") and what is their own, nothing else.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from encoder import SentenceEncoder
from errors import DocumentError, SourceError
from retrieval.base import Document, Passage, Retriever, SearchRequest
from retrieval.nearest import nearest
from retrieval.split import passages
from retrieval.stored import closed, packed, schema, scope, stored_key, tiled, unpacked, why_not
from retrieval.text import ANALYSIS, analyse, stemmed_alike
from retrieval.text import language as language_of
from retrieval.vectors import Backfill, Stored

_FOLDER = f"bm25-{ANALYSIS}"
_WRITER_BYTES = 64_000_000
_QUERY_CHARS, _QUERY_TERMS = 20_000, 96
logger = logging.getLogger(__name__)

_SMALL, _NEAREST = 4000, 30
"""Passages of a source that are few enough to compare with all of them, and how many of them may be added."""
_FIRST, _LATER = "first", "later"


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


class DocumentIndex:
    """The documents in a folder. One process writes at a time; any number of threads may use this object."""

    def __init__(self, folder: Path, encoder: SentenceEncoder) -> None:
        self.folder = folder
        self._encoder = encoder
        self._index: Any = None
        self._writer: Any = None
        self._writing = threading.RLock()
        self._stemmers: tuple[str, ...] = ()
        self._backfill = Backfill(folder / "vectors", encoder, self)

    def open(self) -> None:
        """Open or create the index; what another analysis had indexed is indexed anew.

        Raises `DocumentError` when the folder is in use or cannot be used.
        """
        import tantivy

        folder = self.folder / _FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._index = tantivy.Index(schema(), str(folder))
            self._index.config_reader("manual")
            self._writer = self._index.writer(_WRITER_BYTES, 1)
        except ValueError as error:
            self._index = None
            raise DocumentError(**why_not(self.folder, str(error))) from error
        except OSError as error:
            raise DocumentError(
                f"The folder {self.folder} cannot be used for documents ({error.strerror}); choose another one.",
                zh=f"文件夹 {self.folder} 不能用来存放文档（{error.strerror}），请换一个。",
            ) from error
        self._refresh()
        for older in sorted(self.folder.glob("bm25*")):
            if older.name != _FOLDER:
                self._take_over(older)

    def _take_over(self, older: Path) -> None:
        """Index the documents of an older index, then delete it; one that cannot be read stays where it is."""
        import tantivy

        try:
            searcher = tantivy.Index.open(str(older)).searcher()
            found = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs), count=False).hits
            passages_of: dict[str, list[Any]] = {}
            for _, address in found:
                hit = searcher.doc(address)
                passages_of.setdefault(_passage(hit).document, []).append(hit)
            documents = [_joined(hits) for hits in passages_of.values()]
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            logger.warning("The older index %s could not be read (%s); its documents are not searched", older, error)
            return
        self.add(documents)
        shutil.rmtree(older, ignore_errors=True)

    def close(self) -> None:
        """Stop the background thread and release the folder."""
        self._backfill.close()
        with self._writing:
            if self._writer is not None:
                self._writer.rollback()
            self._writer = self._index = None

    # Documents

    def add(self, documents: Iterable[Document], progress: Callable[[int, int], None] | None = None) -> None:
        """Index documents, in one commit; one that has the id and owner of an older one replaces it.

        `progress` is told (characters done, characters in all). Raises `DocumentError` when a document holds no
        letter or digit; nothing is added then.
        """
        given = list(documents)
        total, done = sum(len(document.text) for document in given), 0
        with self._transaction() as writer:
            for document in given:
                writer.delete_documents_by_query(self._one_document(document.id, document.owner))
                for passage in self._add(writer, document):
                    if progress is not None:
                        progress(done + passage.end, total)
                done += len(document.text)
        self._backfill.wake()

    def _add(self, writer: Any, document: Document) -> Iterator[Passage]:
        import tantivy

        found = passages(document)
        if not found:
            raise DocumentError(
                f"“{document.title}” holds no text to search; give a document with words in it.",
                zh=f"“{document.title}”里没有可检索的文字，请上传有文字的文档。",
            )
        language = found[0].language
        info = DocumentInfo(
            id=document.id,
            title=document.title,
            source=document.source,
            owner=document.owner,
            url=document.url,
            language=language,
            passages=len(found),
            characters=len(document.text),
            added=time.time(),
            name=document.name,
        )
        shared = {"document": document.id, "owner": document.owner, "scope": scope(document.source, document.owner)}
        first = {"part": _FIRST, "stemmer": stemmed_alike(language), "info": packed(asdict(info))}
        for passage, start, end in tiled(found, len(document.text)):
            heard = f"{passage.title}\n{passage.section}\n{passage.text}"
            around = [document.text[start : passage.start], document.text[passage.end : end]]
            writer.add_document(
                tantivy.Document(
                    **shared,
                    **(first if passage is found[0] else {"part": _LATER}),
                    id=passage.id,
                    language=language,
                    body=" ".join(analyse(heard, language, stopwords=True)),
                    key=stored_key(passage),
                    passage=packed(asdict(passage)),
                    around=packed(around),
                )
            )
            yield passage

    def delete(self, document_id: str, owner: str) -> bool:
        """Delete a document of exactly this owner. False if there is none."""
        query = self._one_document(document_id, owner)
        with self._transaction() as writer:
            found = bool(self._find(query, 1))
            writer.delete_documents_by_query(query)
        return found

    def documents(self, source: str, owner: str) -> list[DocumentInfo]:
        """What exactly this owner has in a source, newest first."""
        hits = self._find(self._all(part=_FIRST, scope=scope(source, owner)), None)
        return sorted((DocumentInfo(**unpacked(hit, "info")) for hit in hits), key=lambda info: -info.added)

    def document(self, document_id: str, owner: str) -> Document | None:
        """A document with its full text, put together from its passages, if it is public or this owner's."""
        for whose in dict.fromkeys((owner, "")):
            hits = self._find(self._one_document(document_id, whose), None)
            if hits:
                return _joined(hits)
        return None

    def passage(self, passage_id: str, owner: str) -> Passage | None:
        """A passage by its id, if it is public or this owner's."""
        hits = self._find(self._all(id=passage_id, owner=("", owner)), 1)
        return _passage(hits[0]) if hits else None

    def neighbours(self, passage_id: str, owner: str, width: int = 1) -> list[Passage]:
        """The passages up to `width` before and after this one, in the order of the document."""
        document, _, number = passage_id.rpartition("#")
        if not number.isdecimal():
            return []
        around = range(int(number) - width, int(number) + width + 1)
        ids = tuple(f"{document}#{i}" for i in around if i != int(number))
        found = [_passage(hit) for hit in self._find(self._all(id=ids, owner=("", owner)), len(ids))]
        return sorted(found, key=lambda passage: passage.start)

    # Search

    def retriever(self, source: str) -> Retriever:
        """This index as one source of candidate passages."""
        return _SourceOfIndex(source, self)

    def search(self, request: SearchRequest, source: str) -> list[Passage]:
        """The `k` passages of a source that BM25 finds best.

        Where the question's words find fewer, and the source is small, the passages nearest in meaning follow with a
        score of 0. Raises `SourceError` when the index cannot be read.
        """
        from tantivy import Occur, Query

        searcher = self._searcher()
        terms = self._query_terms(searcher, request.query)
        if not terms or request.k < 1 or request.cancel.is_set():
            return []
        fields = self._index.schema
        words = [(Occur.Should, Query.term_query(fields, "body", term, "freq")) for term in terms]
        scopes = self._all(scope=(scope(source, ""), scope(source, request.owner)))
        within = [(Occur.Must, Query.const_score_query(scopes, 0.0))]
        if request.exclude:
            excluded = sorted(request.exclude)
            within += [(Occur.MustNot, Query.term_set_query(fields, name, excluded)) for name in ("document", "id")]
        worded = Query.boolean_query([(Occur.Must, Query.boolean_query(words)), *within])
        try:
            hits = searcher.search(worded, request.k, count=False).hits
            found = [_passage(searcher.doc(address), score) for score, address in hits]
            if len(found) < request.k:
                found += self._near(searcher, request, Query.boolean_query(within), {passage.id for passage in found})
            return found
        except ValueError as error:
            raise SourceError(
                f"The documents in {self.folder} could not be searched ({error}).",
                zh=f"无法检索 {self.folder} 中的文档（{error}）。",
            ) from error

    def _near(self, searcher: Any, request: SearchRequest, within: Any, found: set[str]) -> list[Passage]:
        """The passages nearest in meaning to the question that words have not found."""
        known = self._encoder.loaded and self._encoder.knows(request.language or language_of(request.query))
        hits = searcher.search(within, _SMALL + 1, count=False).hits if known else []
        if not hits or len(hits) > _SMALL:
            return []
        addresses = [address for _, address in hits]
        stored = self.vectors(searcher.fast_field_values("key", addresses))
        question = self._encoder.encode([request.query[:_QUERY_CHARS]])[0]
        near = (_passage(searcher.doc(addresses[i])) for i in nearest(question, stored, _NEAREST))
        return [passage for passage in near if passage.id not in found][: request.k - len(found)]

    def _query_terms(self, searcher: Any, query: str) -> list[str]:
        """The distinct terms of a question that occur at all, in every stemming; the rarest where they are many."""
        query = query[:_QUERY_CHARS]
        terms = dict.fromkeys(term for language in self._stemmers for term in analyse(query, language))
        counts = {term: searcher.doc_freq("body", term) for term in terms}
        return sorted((term for term in terms if counts[term]), key=lambda term: counts[term])[:_QUERY_TERMS]

    def frequencies(self, terms: Sequence[str]) -> tuple[list[int], int]:
        """In how many passages each term occurs, and how many passages there are."""
        searcher = self._searcher()
        return [searcher.doc_freq("body", term) for term in terms], searcher.num_docs

    # Vectors

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
        """The stored vectors of passages by `vector_key`; None where they are still missing."""
        return self._backfill.vectors(keys)

    def start_backfill(self) -> None:
        """Encode what has no vectors in a background thread, now and after each `add`, until `close`."""
        self._backfill.start()

    def backfill(self, stop: threading.Event, progress: Callable[[int, int], None] | None = None) -> None:
        """Encode every passage that has no vectors yet, in a language the encoder knows. Loads the encoder."""
        self._backfill.run(stop, progress)

    def keys(self, languages: frozenset[str]) -> list[tuple[int, Any]]:
        """(vector key, ticket for `fetch`) of every passage in these languages; `*` means all."""
        searcher = self._searcher()
        query = self._all() if "*" in languages else self._all(language=tuple(sorted(languages)))
        hits = searcher.search(query, max(1, searcher.num_docs), count=False).hits
        addresses = [address for _, address in hits]
        found = searcher.fast_field_values("key", addresses)
        return [(key, (searcher, address)) for key, address in zip(found, addresses, strict=True)]

    def fetch(self, ticket: Any) -> Passage:
        """The passage that a ticket of `keys` stands for, even if it was deleted meanwhile."""
        searcher, address = ticket
        return _passage(searcher.doc(address))

    # Plumbing

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """The writer; what it is given is committed at the end, or forgotten if something fails."""
        with self._writing:
            if self._writer is None:
                raise DocumentError(**closed(self.folder))
            try:
                yield self._writer
                self._writer.commit()
            except ValueError as error:  # tantivy's own: the disk is full, a file is gone
                self._writer.rollback()
                raise DocumentError(
                    f"The documents in {self.folder} could not be written ({error}).",
                    zh=f"无法写入 {self.folder} 中的文档（{error}）。",
                ) from error
            except BaseException:
                self._writer.rollback()
                raise
            self._refresh()

    def _refresh(self) -> None:
        self._index.reload()
        self._stemmers = tuple(code for code, _ in self._searcher().terms_with_prefix("stemmer", ""))

    def _searcher(self) -> Any:
        index = self._index
        if index is None:
            raise SourceError(**closed(self.folder))
        return index.searcher()

    def _all(self, **wanted: str | tuple[str, ...]) -> Any:
        """Query: each field has the value, or one of the values; everything where no field is named."""
        from tantivy import Occur, Query

        fields = self._index.schema
        clauses = []
        for name, given in wanted.items():
            values = (given,) if isinstance(given, str) else given
            any_of = [(Occur.Should, Query.term_query(fields, name, value, "basic")) for value in values]
            clauses.append((Occur.Must, Query.boolean_query(any_of)))
        return Query.boolean_query(clauses) if clauses else Query.all_query()

    def _one_document(self, document_id: str, owner: str) -> Any:
        return self._all(document=document_id, owner=owner)

    def _find(self, query: Any, limit: int | None) -> list[Any]:
        """The first stored passages that match, in no order; all of them where `limit` is None."""
        searcher = self._searcher()
        hits = searcher.search(query, max(1, searcher.num_docs if limit is None else limit), count=False).hits
        return [searcher.doc(address) for _, address in hits]


@dataclass(frozen=True, slots=True)
class _SourceOfIndex:
    name: str
    index: DocumentIndex

    def search(self, request: SearchRequest) -> list[Passage]:
        return self.index.search(request, self.name)


def _joined(hits: list[Any]) -> Document:
    """The document whose passages these are, all of them."""
    parts = sorted((_passage(hit).start, *unpacked(hit, "around"), _passage(hit)) for hit in hits)
    text = "".join(before + passage.text + after for _, before, after, passage in parts)
    info = next(DocumentInfo(**unpacked(hit, "info")) for hit in hits if hit.get_first("info"))
    return Document(
        id=info.id,
        title=info.title,
        text=text,
        source=info.source,
        owner=info.owner,
        url=info.url,
        language=info.language,
        name=info.name,
    )


def _passage(hit: Any, score: float = 0.0) -> Passage:
    return Passage(**unpacked(hit, "passage") | {"score": score})

"""What happens when a person uploads, opens or deletes a document."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from html import escape
from pathlib import Path

import gradio as gr

from errors import AppError
from retrieval.files import read_document
from retrieval.index import DocumentIndex
from ui.chat import Browser, Update, spoken
from ui.layout import Layout
from ui.render import document_list, document_page
from ui.texts import say


class DocumentHandlers:
    """Handlers of the visitor's documents and of the panel that shows a whole document."""

    def __init__(self, page: Layout, index: DocumentIndex, source: str, limit_mb: float) -> None:
        self._page = page
        self._index = index
        self._source = source
        self._limit_bytes = int(limit_mb * 1_000_000)

    def show(self, browser: Browser, request: gr.Request) -> Update:
        """The visitor's documents."""
        return {self._page.documents.listing: self._list(browser["owner"], spoken(request))}

    def upload(self, paths: list[str], browser: Browser, request: gr.Request) -> Iterator[Update]:
        """Read and index files, one after the other; a file that cannot be read leaves the others alone."""
        language, owner = spoken(request), browser["owner"]
        lines: list[str] = []
        for number, path in enumerate(map(Path, paths), start=1):
            reading = say(language, "reading", name=path.name, number=number, count=len(paths))
            yield {self._page.documents.status: _lines([*lines, _line("busy", reading)])}
            try:
                for percent, title in self._add(path, owner):
                    says = say(language, "indexing", name=title, percent=percent)
                    yield {self._page.documents.status: _lines([*lines, _line("busy", says)])}
                lines.append(_line("done", say(language, "uploaded", title=title)))
            except AppError as error:
                lines.append(_line("failed", str(error)))
            finally:
                path.unlink(missing_ok=True)
            yield {
                self._page.documents.status: _lines(lines),
                self._page.documents.listing: self._list(owner, language),
            }

    def press(self, bridged: str, browser: Browser, request: gr.Request) -> Update:
        """A click in the page on a passage, a document or a document's delete button."""
        act, target = json.loads(bridged)
        acts = {"open": self._open, "delete": self._delete}
        return acts[act](str(target), browser["owner"], spoken(request))

    def _open(self, passage_id: str, owner: str, language: str) -> Update:
        document_id, _, _ = passage_id.rpartition("#")
        document = self._index.document(document_id, owner)
        if document is None:
            shown = f'<p class="gc-empty">{escape(say(language, "viewer_gone"))}</p>'
        else:
            passage = self._index.passage(passage_id, owner)
            start, end = (passage.start, passage.end) if passage else (0, 0)
            shown = document_page(document.title, document.text, start, end)
        return {self._page.viewer.shown: shown, self._page.viewer.panel: gr.Sidebar(open=True)}

    def _delete(self, document_id: str, owner: str, language: str) -> Update:
        document = self._index.document(document_id, owner)
        if document is not None and document.owner == owner:
            self._index.delete(document_id, owner)
        title = document.title if document else document_id
        return {
            self._page.documents.listing: self._list(owner, language),
            self._page.documents.status: _lines([_line("done", say(language, "deleted", title=title))]),
        }

    def _list(self, owner: str, language: str) -> str:
        rows = [(d.id, d.title, d.passages) for d in self._index.documents(self._source, owner)]
        return document_list(rows, language)

    def _add(self, path: Path, owner: str) -> Iterator[tuple[int, str]]:
        """Index one file in a thread, yielding (percent done, title). Raises `DocumentError`."""
        if not owner:
            raise gr.Error("Reload the page, then upload again: it has no owner key yet.")
        document = read_document(path, path.name, owner, limit=self._limit_bytes)
        said: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                self._index.add([document], progress=lambda done, total: said.put(100 * done // max(total, 1)))
                said.put(None)
            except BaseException as error:
                said.put(error)

        threading.Thread(target=work, name="index-upload", daemon=True).start()
        while (word := said.get()) is not None:
            if isinstance(word, BaseException):
                raise word
            yield word, document.title
        yield 100, document.title


def _line(state: str, text: str) -> str:
    return f'<div class="gc-line gc-{state}">{escape(text)}</div>'


def _lines(lines: list[str]) -> str:
    return f'<div role="status">{"".join(lines)}</div>'

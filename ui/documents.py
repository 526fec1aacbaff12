"""What happens when a person uploads, opens or deletes a document."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Iterator
from html import escape
from pathlib import Path

import gradio as gr

from chat.store import ConversationStore
from errors import AppError, InputError
from retrieval.files import read_document
from retrieval.index import DocumentIndex
from ui.chat import Browser, Update, spoken
from ui.layout import Layout
from ui.render import document_gone, document_list, document_page
from ui.texts import say

logger = logging.getLogger(__name__)


class DocumentHandlers:
    """Handlers of the visitor's documents and of the panel that shows a whole document."""

    def __init__(
        self, page: Layout, index: DocumentIndex, store: ConversationStore, source: str, limit_mb: float
    ) -> None:
        self._page = page
        self._index = index
        self._store = store
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
                lines.append(_line("failed", error.told(language)))
            except Exception:
                logger.exception("A document could not be indexed")
                lines.append(_line("failed", say(language, "bug")))
            finally:
                path.unlink(missing_ok=True)
            yield {
                self._page.documents.status: _lines(lines),
                self._page.documents.listing: self._list(owner, language),
            }

    def press(self, bridged: str, browser: Browser, tab: str, request: gr.Request) -> Update:
        """A click on a passage or a document, or the second one on its delete button.

        What comes is the act, the id of the passage or document, and where the page was then: for `open` the turn and
        the number of the source under it, for `delete` the document that is open.
        """
        act, target, where = json.loads(bridged)
        language, owner = spoken(request), browser["owner"]
        if act == "delete":
            return self._delete(target, where, owner, language)
        return self._open(target, self._quoting(where, tab, owner), owner, language)

    def _quoting(self, where: str, tab: str, owner: str) -> str:
        """The answer that the passage was opened from; empty when there is none, or it is gone."""
        conversation = self._store.get(tab, owner)
        turns = conversation.turns if conversation else ()
        return next((turn.answer for turn in turns if turn.id == where), "")

    def _open(self, passage_id: str, answer: str, owner: str, language: str) -> Update:
        document_id, _, number = passage_id.rpartition("#")
        document = self._index.document(document_id, owner)
        if document is None:
            shown = document_gone(language)
        else:
            passage = self._index.passage(passage_id, owner) if number else None
            shown = document_page(document, passage, answer, language)
        return {self._page.viewer.shown: shown, self._page.viewer.panel: gr.Sidebar(open=True)}

    def _delete(self, document_id: str, opened: str, owner: str, language: str) -> Update:
        document = self._index.document(document_id, owner)
        title = document.title if document else document_id
        # A browser may claim any key; to claim none must not mean to own what is everybody's.
        theirs = document is not None and bool(owner) and document.owner == owner
        deleted = theirs and self._index.delete(document_id, owner)
        says = _line("done", say(language, "deleted", title=title)) if deleted else ""
        done: Update = {
            self._page.documents.listing: self._list(owner, language),
            self._page.documents.status: _lines([says]),
        }
        if opened == document_id:
            done |= {self._page.viewer.shown: "", self._page.viewer.panel: gr.Sidebar(open=False)}
        return done

    def _list(self, owner: str, language: str) -> str:
        return document_list(self._index.documents(self._source, owner), language)

    def _add(self, path: Path, owner: str) -> Iterator[tuple[int, str]]:
        """Index one file in a thread, yielding (percent done, title). Raises `DocumentError`."""
        if not owner:
            raise InputError(
                "Reload the page, then upload again: it has no owner key yet.",
                zh="页面尚未取得访客密钥，请刷新页面后重新上传。",
            )
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

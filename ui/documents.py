"""What happens when a person uploads, stops, opens or deletes a document."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import gradio as gr

from chat.conversation import Turn
from chat.store import ConversationStore
from errors import AppError, InputError
from retrieval.files import too_large
from retrieval.index_protocol import Index
from retrieval.uploads import State, Uploads
from ui.acts import Browser
from ui.document_view import backfill_line, document_gone, document_list, document_page, upload_list
from ui.layout import Layout
from ui.pane import Update
from ui.telling import spoken
from ui.texts import say

_SAID_S = 8.0


class DocumentHandlers:
    """Handlers of the visitor's documents and of the panel that shows one of them."""

    def __init__(
        self,
        page: Layout,
        index: Index,
        uploads: Uploads,
        store: ConversationStore,
        source: str,
        most_bytes: int,
    ) -> None:
        self._page = page
        self._index = index
        self._uploads = uploads
        self._store = store
        self._source = source
        self._most_bytes = most_bytes
        self._said: dict[str, tuple[str, float]] = {}
        """By owner a line, and until when it stands, on `time.monotonic()`'s clock."""
        self._acts: dict[str, Callable[[str, str], None]] = {
            "stop": uploads.stop,
            "go_on": uploads.go_on,
            "drop": uploads.drop,
            "dismiss": uploads.drop,
        }

    def show(self, browser: Browser, request: gr.Request) -> Update:
        """The visitor's documents, and how far those are that are being read."""
        language, owner, panel = spoken(request), browser["owner"], self._page.documents
        uploads, progress = self._uploads.of(owner), self._index.backfill_progress
        documents = self._index.documents(self._source, owner)
        vectors = backfill_line(progress, language) if documents or uploads else ""
        changing = any(upload.state in (State.WAITING, State.READING, State.READY) for upload in uploads)
        return {
            panel.listing: document_list(documents, language),
            panel.status: upload_list(uploads, language) + self._still_said(owner) + vectors,
            panel.timer: gr.Timer(active=changing or bool(vectors)),
        }

    def _say(self, owner: str, state: str, text: str) -> None:
        """A line that stands for a while, after those that still do."""
        self._said[owner] = (self._still_said(owner) + _line(state, text), time.monotonic() + _SAID_S)

    def _still_said(self, owner: str) -> str:
        """What was said a moment ago: whoever looks how far uploads are must not wipe it away."""
        now = time.monotonic()
        self._said = {whose: said for whose, said in self._said.items() if said[1] > now}
        return self._said.get(owner, ("", 0.0))[0]

    def upload(self, paths: list[str], browser: Browser, request: gr.Request) -> Iterator[Update]:
        """Take files over, one after the other; they are read in the background, also when the tab is closed."""
        language, owner = spoken(request), browser["owner"]
        if not owner:
            error = InputError(
                "Reload the page, then upload again: it has no owner key yet.",
                zh="页面尚未取得访客密钥，请刷新页面后重新上传。",
            )
            yield {self._page.documents.status: _line("failed", error.told(language))}
            return
        for number, path in enumerate(map(Path, paths), start=1):
            reading = say(language, "reading", name=path.name, number=number, count=len(paths))
            yield {self._page.documents.status: _line("busy", reading)}
            try:
                self._uploads.take(path, path.name, owner)
            finally:
                path.unlink(missing_ok=True)
        yield self.show(browser, request)

    def press(self, bridged: str, browser: Browser, tab: str, request: gr.Request) -> Update:
        """A click on a passage, a document or an upload, or the second one on a document's delete button.

        What comes is the act, the id of the passage, document or upload, and where the page was then: for `open` and
        `page` the turn and the number of the source under it, for `delete` the document that is open. For `too_large`
        it is the names of files with their sizes in bytes.
        """
        act, target, where = json.loads(bridged)
        language, owner = spoken(request), browser["owner"]
        if act in self._acts:
            self._acts[act](target, owner)
            return self.show(browser, request)
        if act == "too_large":
            for name, size in json.loads(target):
                self._say(owner, "failed", too_large(name, size, self._most_bytes).told(language))
            return self.show(browser, request)
        if act == "delete":
            return self._delete(target, where, browser, request)
        return self._open(target, self._quoting(where, tab, owner), owner, language, quoted=act == "open")

    def _quoting(self, where: str, tab: str, owner: str) -> Turn | None:
        """The turn that the passage was opened from; None when there is none, or it is gone."""
        conversation = self._store.get(tab, owner)
        turns = conversation.turns if conversation else ()
        return next((turn for turn in turns if turn.id == where), None)

    def _open(self, passage_id: str, turn: Turn | None, owner: str, language: str, *, quoted: bool) -> Update:
        """The document around a passage; `quoted`: what the turn's answer took over of it is marked."""
        document_id, _, number = passage_id.rpartition("#")
        window = self._index.window(document_id, int(number) if number.isdecimal() else 0, owner)
        if window is None:
            shown = document_gone(language)
        else:
            passage = window.wanted if quoted and number else None
            told = (turn.id, turn.answer) if turn else ("", "")
            shown = document_page(window, passage, *told, language)
        return {self._page.viewer.shown: shown, self._page.viewer.panel: gr.Sidebar(open=True)}

    def _delete(self, document_id: str, opened: str, browser: Browser, request: gr.Request) -> Update:
        language, owner = spoken(request), browser["owner"]
        held = {info.id: info.title for info in self._index.documents(self._source, owner)}
        try:
            # A browser may claim any key; to claim none must not mean to own what is everybody's.
            deleted = bool(owner) and document_id in held and self._index.delete(document_id, owner)
            if deleted:
                self._say(owner, "done", say(language, "deleted", title=held[document_id]))
        except AppError as error:
            self._say(owner, "failed", error.told(language))
        done = self.show(browser, request)
        if opened == document_id:
            done |= {self._page.viewer.shown: "", self._page.viewer.panel: gr.Sidebar(open=False)}
        return done


def _line(state: str, text: str) -> str:
    return f'<div role="status"><div class="gc-line gc-{state}">{escape(text)}</div></div>'

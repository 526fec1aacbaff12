"""What happens when a person loads a chat model or goes back to the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

import gradio as gr

from chat.base import ChatModel
from chat.slot import Loadable, ModelSlot
from errors import AppError
from ui.chat import Update, spoken
from ui.layout import ModelPanel
from ui.texts import say


class ModelHandlers:
    """Handlers of the model picker. A model that fails to load leaves the old one in place."""

    def __init__(
        self, panel: ModelPanel, models: ModelSlot, reader: ChatModel, make: Callable[[str], Loadable], allowed: bool
    ) -> None:
        self._panel = panel
        self._models = models
        self._reader = reader
        self._make = make
        self._allowed = allowed

    def show(self, request: gr.Request) -> Update:
        """Who is answering."""
        says = self._models.says
        return {
            self._panel.now: self._now(spoken(request)),
            self._panel.status: _status("busy", says) if says else "",
        }

    def load(self, name: str | None, request: gr.Request) -> Iterator[Update]:
        """Load the named model while everybody goes on talking to the old one."""
        language = spoken(request)
        if not self._allowed:
            raise gr.Error(say(language, "model_operator"))
        name = (name or "").strip()
        if not name:
            raise gr.Error("No model is chosen; pick one from the list, or type a hub id or a local folder.")
        status = self._panel.status
        yield {status: _status("busy", say(language, "model_loading", name=name))}
        try:
            for says in self._models.load(self._make(name)):
                yield {status: _status("busy", says)}
        except AppError as error:
            yield {status: _status("failed", str(error))}
            return
        yield {
            status: _status("done", say(language, "model_loaded", name=name)),
            self._panel.now: self._now(language),
        }

    def use_reader(self, request: gr.Request) -> Update:
        """Answer with the built-in reader again."""
        if not self._allowed:
            raise gr.Error(say(spoken(request), "model_operator"))
        self._models.put(self._reader)
        return {self._panel.now: self._now(spoken(request)), self._panel.status: ""}

    def _now(self, language: str) -> str:
        current = self._models.current
        name = say(language, "reader") if current is self._reader else current.name
        # A model's name may hold underscores and asterisks; inside a code span Markdown leaves them alone.
        return say(language, "model_now", name=name.replace("`", ""))


def _status(state: str, text: str) -> str:
    return f'<div class="gc-line gc-{state}" role="status">{escape(text)}</div>'

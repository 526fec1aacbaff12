"""The page: laid out, its handlers made, and wired together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency
from gradio.events import api as blocks_api

from chat.assistant import Assistant
from chat.base import ChatModel, Sampling
from chat.ratings import Ratings
from chat.slot import MakeModel
from chat.store import ConversationStore
from retrieval.index_protocol import Index
from retrieval.uploads import Uploads
from ui.api import Api
from ui.chat import ChatHandlers
from ui.documents import DocumentHandlers
from ui.fetching import fetch_nothing
from ui.layout import ALONE, NEXT_ACT, TAB_KEPT, TAKEN, UNSENT, Layout, ModelPanel, Options, build
from ui.models import ModelHandlers
from ui.pane import Pane
from ui.slash import SlashCommands
from ui.source_settings import SettingsHandlers, SettingsPanel
from ui.theme import LOGO

_ANSWERS = "answers"
AT_ONCE = 256
"""Messages that may be on their way at once: all that Gradio lets wait, since it does not show them. The engines have
queues of their own, and tell everybody their place in them."""
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the page is built on."""

    assistant: Assistant
    store: ConversationStore
    index: Index
    reader: ChatModel
    make_model: MakeModel
    forecast: Callable[[str], str]
    sampling: Sampling
    options: Options
    uploads: Uploads
    documents_source: str
    ratings: Ratings | None = None
    """None where answers cannot be rated."""


def page(parts: Parts, i18n: gr.I18n) -> gr.Blocks:
    """The page, ready to be launched."""
    forced = parts.options.moderation_forced
    fetch_nothing()
    with gr.Blocks(
        title="Groundchat", analytics_enabled=False, fill_height=True, fill_width=True, delete_cache=(3600, 86400)
    ) as opened:
        layout = build(parts.options, i18n, LOGO.read_text(encoding="utf-8"))
        ratings = parts.ratings
        pane = Pane(layout, parts.assistant, parts.store, parts.sampling, ratings.keeps if ratings else None)
        slash = SlashCommands(
            layout, pane, parts.assistant, parts.store, parts.reader, parts.make_model, parts.options, ratings
        )
        chat = ChatHandlers(layout, parts.assistant, parts.store, pane, slash, forced, ratings)
        documents = DocumentHandlers(
            layout, parts.index, parts.uploads, parts.store, parts.documents_source, parts.options.most_bytes
        )
        models = ModelHandlers(
            layout.models, parts.assistant.models, parts.reader, parts.make_model, parts.forecast, parts.options
        )
        settings = SettingsHandlers(layout.switches.settings, parts.assistant.sources)
        answered = _wire_chat(layout, chat)
        _wire_settings(layout.switches.settings, settings, answered)
        _wire_documents(layout, documents)
        _wire_models(layout.models, models)
        _wire_opening(opened, layout, chat, documents, models, settings)
        api = Api(parts.assistant, parts.store, parts.sampling, forced, ratings)
        blocks_api(api.chat, api_name="chat", concurrency_limit=AT_ONCE, concurrency_id=_ANSWERS)
        blocks_api(api.search, api_name="search", concurrency_limit=AT_ONCE)
        blocks_api(api.contest, api_name="contest", concurrency_limit=AT_ONCE)
        blocks_api(api.rate, api_name="rate", concurrency_limit=AT_ONCE)
    blocks: gr.Blocks = opened.queue(api_open=False, max_size=AT_ONCE)
    return blocks


def _wire_chat(layout: Layout, handlers: ChatHandlers) -> Dependency:
    """What happens once a message is answered can be hung on what is returned."""
    pane, switches = layout.chat, layout.switches
    how = [layout.browser, pane.tab, switches.retrieval, switches.sources, switches.moderation, switches.settings.kept]
    shown = [pane.chatbot, pane.message, pane.note, pane.tab]
    commanded = [*shown, switches.retrieval, switches.sources, switches.moderation, layout.models.now, switches.ratings]
    answers = {**_QUIET, "concurrency_limit": AT_ONCE, "concurrency_id": _ANSWERS}
    at_once = {**_QUIET, "queue": False}
    # The box is emptied in the browser, before anything can be typed into it anew.
    pane.message.submit(None, pane.message, pane.message, js=TAKEN, trigger_mode="multiple", **_QUIET)
    acted = pane.acts.submit(
        handlers.act, [pane.acts, *how], commanded, js=NEXT_ACT, trigger_mode="multiple", **answers
    )
    # What did not reach the handlers (the queue is full, say) returns to the box; Gradio tells why.
    acted.failure(None, pane.message, pane.message, js=UNSENT, **_QUIET)
    pane.chatbot.example_select(handlers.example, how, shown, trigger_mode="once", **answers)
    pane.message.stop(handlers.stop, pane.tab, None, **at_once)
    switches.reset.click(handlers.reset, [layout.browser, pane.tab], shown, **at_once)
    switches.moderation.change(handlers.moderation_switched, switches.moderation, pane.banner, **at_once)
    switches.fold.expand(handlers.policy, None, switches.policy, **at_once)
    switches.ratings_fold.expand(handlers.rated, layout.browser, switches.ratings, **at_once)
    return acted


def _wire_settings(panel: SettingsPanel, handlers: SettingsHandlers, answered: Dependency) -> None:
    if not panel.forms:
        return
    told = [panel.kept, *(form.said for form in panel.forms)]
    # One event for all, through the queue, one at a time: the last sees every component, and nothing overtakes it.
    gr.on(
        [component.change for component in panel.components],
        handlers.change,
        [panel.kept, panel.filled, *panel.components],
        told,
        concurrency_limit=1,
        trigger_mode="always_last",
        **_QUIET,
    )
    for event in (panel.accordion.expand, answered.then):
        event(handlers.heads, None, panel.heads, queue=False, **_QUIET)


def _wire_documents(layout: Layout, handlers: DocumentHandlers) -> None:
    panel, viewer = layout.documents, layout.viewer
    listed = [panel.listing, panel.status, panel.timer]
    panel.upload.upload(handlers.upload, [panel.upload, layout.browser], listed, **_QUIET)
    panel.timer.tick(handlers.show, layout.browser, listed, queue=False, **_QUIET)
    shown = [viewer.shown, viewer.panel, *listed]
    panel.bridge.submit(handlers.press, [panel.bridge, layout.browser, layout.chat.tab], shown, queue=False, **_QUIET)


def _wire_models(panel: ModelPanel, handlers: ModelHandlers) -> None:
    asked = [panel.listed, panel.runs, panel.name, panel.server_model, panel.key, panel.agreed]
    told = [
        panel.status,
        panel.now,
        panel.load,
        panel.cancel,
        panel.agreed,
        panel.server,
        panel.server_model,
        panel.key,
    ]
    panel.load.click(handlers.load, asked, told, trigger_mode="once", **_QUIET)
    for chosen, other in ((panel.listed, panel.runs), (panel.runs, panel.listed)):
        # It takes the place of others in the browser, before anybody can click on Load.
        chosen.input(None, None, [other, panel.name], js=ALONE, **_QUIET)
        chosen.input(handlers.listed, None, told, queue=False, **_QUIET)
    panel.fold.expand(handlers.runs, panel.runs, panel.runs, queue=False, **_QUIET)
    panel.name.change(
        handlers.named, panel.name, [panel.listed, panel.runs, *told], queue=False, trigger_mode="always_last", **_QUIET
    )
    panel.cancel.click(handlers.cancel, None, None, queue=False, **_QUIET)
    panel.reader.click(handlers.use_reader, None, told, **_QUIET)


def _wire_opening(
    blocks: gr.Blocks,
    layout: Layout,
    chat: ChatHandlers,
    documents: DocumentHandlers,
    models: ModelHandlers,
    settings: SettingsHandlers,
) -> None:
    pane, switches = layout.chat, layout.switches
    shown = [layout.browser, pane.tab, pane.chatbot, pane.note, switches.sources, switches.policy]
    forms = switches.settings
    filled = [forms.kept, *forms.heads, *forms.components, *(form.said for form in forms.forms)]
    shown_forms = blocks.load(settings.show, forms.kept, filled, queue=False, **_QUIET)
    shown_forms.then(settings.filled, None, forms.filled, queue=False, **_QUIET)
    opened = blocks.load(chat.open, [layout.browser, pane.tab], shown, js=TAB_KEPT, **_QUIET)
    loaded = opened.then(chat.loading, switches.moderation, pane.banner, concurrency_limit=None, **_QUIET)
    panel = layout.documents
    loaded.then(documents.show, layout.browser, [panel.listing, panel.status, panel.timer], **_QUIET)
    loaded.then(models.show, None, [layout.models.now, layout.models.status, layout.models.runs], **_QUIET)

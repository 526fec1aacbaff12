"""What is on the page and where; nothing happens here. Wiring is in page.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from chat.bilingual import LANGUAGES
from chat.catalogue import CatalogueModel
from chat.commands import available
from chat.runs import Run
from chat.sources import Source
from ui.source_settings import SettingsPanel, source_settings
from ui.texts import TEXTS

# Only these start a formula: a single dollar sign is money.
LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
_LOOK_S = 1.0
# How assets/page.js reaches the server. Acts queue up in the browser: two may follow each other closely.
_ACTS = """
const page = (window.groundchat ??= {}), waiting = [];
page.act = given => {
  if (given) waiting.push(JSON.stringify(given));
  trigger('submit');
};
page.next = () => waiting.shift() || '';
"""
_DOCUMENT = """
(window.groundchat ??= {}).document = given => {
  props.value = JSON.stringify(given);
  trigger('submit');
};
"""
# A tab's conversation outlives a reload of the tab, and only that.
_TAB = """
const page = (window.groundchat ??= {});
watch('value', () => {
  page.tab = props.value;
  sessionStorage.removeItem('groundchat-conversation');
});
"""
TAB_KEPT = "(browser) => [browser, sessionStorage.getItem('groundchat-conversation') || '']"
TAKEN = "(text) => window.groundchat.taken(text)"
UNSENT = "(text) => text || window.groundchat.unsent()"
ALONE = "() => [null, '']"
NEXT_ACT = "(_, ...how) => [window.groundchat.next(), ...how]"


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator's settings mean for the page."""

    source_names: tuple[str, ...]
    sources_on: tuple[str, ...]
    moderation: bool
    moderation_forced: bool
    model_picker: bool
    private: bool
    """Whether only people on this machine can reach the page."""
    catalogue: tuple[CatalogueModel, ...]
    file_types: tuple[str, ...]
    """Suffixes of the files that can be uploaded."""
    most_bytes: int
    """Size of the largest of them."""
    runs: Callable[[], tuple[Run, ...]] = tuple
    """The fine-tuned models of this machine, as they are now."""
    ratings: bool = False
    """Whether answers can be rated."""
    live: tuple[Source, ...] = ()
    """The sources that tell of themselves and let visitors choose."""


@dataclass(frozen=True, slots=True)
class ChatPane:
    banner: gr.HTML
    chatbot: gr.Chatbot
    note: gr.HTML
    """One line beside the message box: what went wrong."""
    message: gr.Textbox
    acts: gr.HTML
    """Receives what is sent, and clicks on the buttons under a turn."""
    tab: gr.HTML
    """The id of the conversation that this tab shows; empty before its first message."""


@dataclass(frozen=True, slots=True)
class Switches:
    reset: gr.Button
    retrieval: gr.Checkbox
    sources: gr.CheckboxGroup
    settings: SettingsPanel
    moderation: gr.Checkbox
    fold: gr.Accordion
    policy: gr.HTML
    """The policy in sentences, inside the fold."""
    ratings_fold: gr.Accordion
    ratings: gr.HTML
    """What happens to ratings, inside that fold."""


@dataclass(frozen=True, slots=True)
class DocumentsPanel:
    listing: gr.HTML
    status: gr.HTML
    upload: gr.UploadButton
    bridge: gr.HTML
    """Receives clicks on documents, passages and uploads."""
    timer: gr.Timer
    """Looks how far uploads are, while there are any."""


@dataclass(frozen=True, slots=True)
class Viewer:
    panel: gr.Sidebar
    shown: gr.HTML


@dataclass(frozen=True, slots=True)
class ModelPanel:
    now: gr.Markdown
    fold: gr.Accordion
    listed: gr.Radio
    runs: gr.Radio
    """The fine-tuned models of this machine; hidden where there are none."""
    name: gr.Textbox
    server: gr.Column
    """What a server's address needs beside it."""
    server_model: gr.Dropdown
    key: gr.Textbox
    load: gr.Button
    cancel: gr.Button
    reader: gr.Button
    status: gr.HTML
    agreed: gr.State
    """The model whose size was told: the next click on Load means it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The components that handlers read or change."""

    browser: gr.BrowserState
    chat: ChatPane
    switches: Switches
    documents: DocumentsPanel
    models: ModelPanel
    viewer: Viewer


def translations() -> gr.I18n:
    """The static texts for Gradio's own translation in the browser."""
    chinese = TEXTS["zh"]
    return gr.I18n(**{"en": TEXTS["en"], "zh": chinese, "zh-CN": chinese, "zh-TW": chinese})


def build(options: Options, i18n: gr.I18n, logo: str) -> Layout:
    """Lay the page out inside the current `gr.Blocks`."""
    browser = gr.BrowserState({"owner": ""}, storage_key="groundchat", secret="groundchat")
    with gr.Sidebar(open=True, width=300, elem_id="gc-side"):
        switches = _switches(options, i18n, logo)
        documents = _documents(options, i18n)
        models = _models(options, i18n)
    chat = _chat(options, i18n, logo)
    with gr.Sidebar(position="right", open=False, width=420, elem_id="gc-viewer") as panel:
        viewer = Viewer(panel, gr.HTML("", js_on_load=None, elem_id="gc-shown"))
    return Layout(browser, chat, switches, documents, models, viewer)


def _chat(options: Options, i18n: gr.I18n, logo: str) -> ChatPane:
    with gr.Column(elem_id="gc-main"):
        gr.HTML(f'<div class="gc-brand">{logo}<span>Groundchat</span></div>', js_on_load=None, elem_id="gc-header")
        banner = gr.HTML("", js_on_load=None, elem_id="gc-banner")
        chatbot = gr.Chatbot(
            elem_id="gc-chat",
            show_label=False,
            container=False,
            layout="bubble",
            buttons=[],
            latex_delimiters=LATEX,
            allow_tags=False,
            height=None,
            scale=1,
        )
        note = gr.HTML("", js_on_load=None, elem_id="gc-note")
        # Gradio takes a translated label, though its types name only strings.
        label: Any = i18n("message_label")
        message = gr.Textbox(
            elem_id="gc-message",
            label=label,
            placeholder=i18n("placeholder"),
            show_label=False,
            container=False,
            lines=1,
            max_lines=8,
            autofocus=True,
            submit_btn=True,
        )
        hints = f'<span data-gc-commands="{escape(_hints(options))}"></span>'
        acts = gr.HTML("", html_template=hints, js_on_load=_ACTS, elem_classes="gc-bridge")
        tab = gr.HTML("", html_template="<span></span>", js_on_load=_TAB, elem_classes="gc-bridge")
    return ChatPane(banner, chatbot, note, message, acts, tab)


def _hints(options: Options) -> str:
    """Of each language the slash commands, as JSON: name, usage, what it does."""
    offered = available(ratings=options.ratings, terminal=False).values()
    return json.dumps(
        {
            language: [[command.name, command.usage(language), command.help[language]] for command in offered]
            for language in LANGUAGES
        },
        ensure_ascii=False,
    )


def _switches(options: Options, i18n: gr.I18n, logo: str) -> Switches:
    gr.HTML(f'<div class="gc-brand">{logo}<span>Groundchat</span></div>', js_on_load=None)
    with gr.Row(elem_id="gc-top"):
        reset = gr.Button(i18n("reset"), size="sm", variant="primary", elem_id="gc-reset")
        gr.Button("◐", size="sm", min_width=40, scale=0, elem_id="gc-theme")
    retrieval = gr.Checkbox(
        True, label=i18n("retrieval"), info=i18n("retrieval_info"), container=False, elem_id="gc-retrieval"
    )
    sources = gr.CheckboxGroup(
        choices=list(options.source_names),
        value=list(options.sources_on),
        label=i18n("sources"),
        show_label=False,
        container=False,
        elem_id="gc-sources",
    )
    settings = source_settings(options.live, i18n)
    moderation = gr.Checkbox(
        options.moderation or options.moderation_forced,
        label=i18n("moderation"),
        info=i18n("moderation_always" if options.moderation_forced else "moderation_info"),
        interactive=not options.moderation_forced,
        container=False,
        elem_id="gc-moderation",
    )
    # Gradio takes a translated label, though its types name only strings.
    screened: Any = i18n("policy")
    with gr.Accordion(screened, open=False, elem_id="gc-policy") as fold:
        policy = gr.HTML("", js_on_load=None)
    rated: Any = i18n("ratings")
    with gr.Accordion(rated, open=False, visible=options.ratings, elem_id="gc-ratings") as ratings_fold:
        ratings = gr.HTML("", js_on_load=None)
    return Switches(reset, retrieval, sources, settings, moderation, fold, policy, ratings_fold, ratings)


def _documents(options: Options, i18n: gr.I18n) -> DocumentsPanel:
    gr.Markdown(i18n("documents"), elem_classes="gc-heading")
    # Gradio takes a translated label, though its types name only strings.
    label: Any = i18n("upload")
    upload = gr.UploadButton(
        label, file_count="multiple", file_types=list(options.file_types), size="sm", elem_id="gc-upload"
    )
    status = gr.HTML("", js_on_load=None, elem_id="gc-upload-status")
    listing = gr.HTML("", js_on_load=None, elem_id="gc-documents")
    most = f'<span data-gc-most-bytes="{options.most_bytes}"></span>'
    bridge = gr.HTML("", html_template=most, js_on_load=_DOCUMENT, elem_classes="gc-bridge")
    return DocumentsPanel(listing, status, upload, bridge, gr.Timer(_LOOK_S, active=False))


def _models(options: Options, i18n: gr.I18n) -> ModelPanel:
    gr.Markdown(i18n("model"), elem_classes="gc-heading")
    now = gr.Markdown("", elem_id="gc-model-now")
    if not options.model_picker:
        gr.Markdown(i18n("model_operator"), elem_classes="gc-empty")
    by_need = sorted(options.catalogue, key=lambda model: model.memory_gb)
    with gr.Accordion(i18n("model_load"), open=False, visible=options.model_picker, elem_id="gc-model-load") as fold:
        runs = gr.Radio(
            choices=[],
            value=None,
            label=i18n("model_runs"),
            info=i18n("model_runs_info"),
            visible=False,
            elem_id="gc-model-runs",
        )
        listed = gr.Radio(
            choices=[(f"{model.memory_gb:.1f} GB · {model.id.rpartition('/')[2]}", model.id) for model in by_need],
            value=None,
            label=i18n("model_listed"),
            info=i18n("model_listed_info"),
            elem_id="gc-model-listed",
        )
        name = gr.Textbox(
            label=i18n("model_name"),
            info=i18n("model_name_info"),
            lines=1,
            max_lines=1,
            visible=options.private,
            elem_id="gc-model-name",
        )
        with gr.Column(visible=False, elem_id="gc-model-server") as server:
            server_model = gr.Dropdown(
                choices=[],
                value=None,
                label=i18n("server_model"),
                info=i18n("server_model_info"),
                allow_custom_value=True,
                elem_id="gc-server-model",
            )
            key = gr.Textbox(
                label=i18n("server_key"),
                info=i18n("server_key_info"),
                type="password",
                lines=1,
                max_lines=1,
                html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                elem_id="gc-server-key",
            )
        status = gr.HTML("", js_on_load=None, elem_id="gc-model-status")
        with gr.Row():
            load = gr.Button(i18n("model_load_button"), size="sm", variant="primary", elem_id="gc-model-go")
            cancel = gr.Button(i18n("cancel"), size="sm", visible=False, elem_id="gc-model-cancel")
            reader = gr.Button(i18n("model_reader_button"), size="sm", elem_id="gc-model-reader")
    return ModelPanel(
        now, fold, listed, runs, name, server, server_model, key, load, cancel, reader, status, gr.State("")
    )

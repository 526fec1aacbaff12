"""What is on the page and where; nothing happens here. Wiring is in page.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.texts import TEXTS

# Only these start a formula: a single dollar sign is money.
LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
# A click on anything that carries data-gc-open or data-gc-delete reaches the server through this element.
_BRIDGE = """
document.addEventListener('click', event => {
  const pressed = event.target.closest('[data-gc-open], [data-gc-delete]');
  if (!pressed || event.defaultPrevented) return;
  event.preventDefault();
  const act = pressed.dataset.gcOpen ? 'open' : 'delete';
  props.value = JSON.stringify([act, pressed.dataset.gcOpen || pressed.dataset.gcDelete]);
  trigger('submit');
});
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator's settings mean for the page."""

    source_names: tuple[str, ...]
    sources_on: tuple[str, ...]
    moderation: bool
    moderation_forced: bool
    model_picker: bool
    catalogue: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChatPane:
    banner: gr.HTML
    chatbot: gr.Chatbot
    message: gr.Textbox


@dataclass(frozen=True, slots=True)
class Switches:
    reset: gr.Button
    retrieval: gr.Checkbox
    sources: gr.CheckboxGroup
    moderation: gr.Checkbox


@dataclass(frozen=True, slots=True)
class DocumentsPanel:
    listing: gr.HTML
    status: gr.HTML
    upload: gr.UploadButton
    bridge: gr.HTML
    """Receives clicks on documents and passages."""


@dataclass(frozen=True, slots=True)
class Viewer:
    panel: gr.Sidebar
    shown: gr.HTML


@dataclass(frozen=True, slots=True)
class ModelPanel:
    now: gr.Markdown
    name: gr.Dropdown
    load: gr.Button
    reader: gr.Button
    status: gr.HTML


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
    browser = gr.BrowserState({"owner": "", "conversation": ""}, storage_key="groundchat", secret="groundchat")
    with gr.Sidebar(open=True, width=300, elem_id="gc-side"):
        switches = _switches(options, i18n, logo)
        documents = _documents(i18n)
        models = _models(options, i18n)
    chat = _chat(i18n)
    with gr.Sidebar(position="right", open=False, width=420, elem_id="gc-viewer") as panel:
        viewer = Viewer(panel, gr.HTML("", js_on_load=None))
    return Layout(browser, chat, switches, documents, models, viewer)


def _chat(i18n: gr.I18n) -> ChatPane:
    with gr.Column(elem_id="gc-main"):
        banner = gr.HTML("", js_on_load=None, elem_id="gc-banner")
        chatbot = gr.Chatbot(
            elem_id="gc-chat",
            show_label=False,
            container=False,
            layout="bubble",
            editable="user",
            buttons=["copy"],
            latex_delimiters=LATEX,
            allow_tags=False,
            height=None,
            scale=1,
        )
        message = gr.Textbox(
            elem_id="gc-message",
            placeholder=i18n("placeholder"),
            show_label=False,
            container=False,
            lines=1,
            max_lines=8,
            autofocus=True,
            submit_btn=True,
        )
    return ChatPane(banner, chatbot, message)


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
    moderation = gr.Checkbox(
        options.moderation or options.moderation_forced,
        label=i18n("moderation"),
        info=i18n("moderation_always" if options.moderation_forced else "moderation_info"),
        interactive=not options.moderation_forced,
        container=False,
        elem_id="gc-moderation",
    )
    return Switches(reset, retrieval, sources, moderation)


def _documents(i18n: gr.I18n) -> DocumentsPanel:
    gr.Markdown(i18n("documents"), elem_classes="gc-heading")
    listing = gr.HTML("", js_on_load=None, elem_id="gc-documents")
    status = gr.HTML("", js_on_load=None, elem_id="gc-upload-status")
    # Gradio takes a translated label, though its types name only strings.
    label: Any = i18n("upload")
    upload = gr.UploadButton(label, file_count="multiple", file_types=[".txt", ".md"], size="sm", elem_id="gc-upload")
    bridge = gr.HTML("", html_template="<span></span>", js_on_load=_BRIDGE, elem_id="gc-bridge")
    return DocumentsPanel(listing, status, upload, bridge)


def _models(options: Options, i18n: gr.I18n) -> ModelPanel:
    gr.Markdown(i18n("model"), elem_classes="gc-heading")
    now = gr.Markdown("", elem_id="gc-model-now")
    if not options.model_picker:
        gr.Markdown(i18n("model_operator"), elem_classes="gc-empty")
    with gr.Accordion(i18n("model_load"), open=False, visible=options.model_picker, elem_id="gc-model-load"):
        name = gr.Dropdown(
            choices=list(options.catalogue),
            value=None,
            label=i18n("model_pick"),
            info=i18n("model_pick_info"),
            allow_custom_value=True,
            elem_id="gc-model-name",
        )
        with gr.Row():
            load = gr.Button(i18n("model_load_button"), size="sm", variant="primary", elem_id="gc-model-go")
            reader = gr.Button(i18n("model_reader_button"), size="sm", elem_id="gc-model-reader")
        status = gr.HTML("", js_on_load=None, elem_id="gc-model-status")
    return ModelPanel(now, name, load, reader, status)

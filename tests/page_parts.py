"""Components of the page by themselves, for handlers that are tested without one."""

from __future__ import annotations

import gradio as gr

from ui.layout import ChatPane, ModelPanel, Switches
from ui.source_settings import SettingsPanel


def chat_pane() -> ChatPane:
    return ChatPane(gr.HTML(), gr.Chatbot(), gr.HTML(), gr.Textbox(), gr.HTML(), gr.HTML())


def switches() -> Switches:
    settings = SettingsPanel(gr.BrowserState({}), gr.HTML(), gr.Accordion(), ())
    folds = (gr.Accordion(), gr.HTML(), gr.Accordion(), gr.HTML())
    return Switches(gr.Button(), gr.Checkbox(), gr.CheckboxGroup(), settings, gr.Checkbox(), *folds)


def model_panel() -> ModelPanel:
    return ModelPanel(
        now=gr.Markdown(),
        fold=gr.Accordion(),
        listed=gr.Radio(),
        runs=gr.Radio(),
        name=gr.Textbox(),
        server=gr.Column(),
        server_model=gr.Dropdown(),
        key=gr.Textbox(),
        load=gr.Button(),
        cancel=gr.Button(),
        reader=gr.Button(),
        status=gr.HTML(),
        agreed=gr.State(""),
    )

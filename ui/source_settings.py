"""What a visitor may choose about each source, and how the sources fare: a form under the sources' switches.

What is chosen is kept in the visitor's browser, and only where its source can use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from chat.sources import Source, Sources
from errors import InputError
from retrieval.base import Setting
from ui.telling import spoken
from ui.texts import say

Kept = dict[str, dict[str, str]]
"""By source what was chosen that is not the default, as the browser keeps it."""
Update = dict[Any, Any]

_LINES, _MOST_LINES = 4, 10


@dataclass(frozen=True, slots=True)
class Field:
    setting: Setting
    shown: gr.Textbox | gr.CheckboxGroup

    def text(self, value: str | Sequence[str] | None) -> str:
        """The setting's value, of what the component holds."""
        return value if isinstance(value, str) else "\n".join(value or ())

    def filled(self, text: str, language: str) -> gr.Textbox | gr.CheckboxGroup:
        """The component with a value, in the visitor's language."""
        label, hint = (said.get(language, said["en"]) for said in (self.setting.labels, self.setting.hints))
        if not self.setting.choices:
            return gr.Textbox(value=text, label=label, info=hint)
        choices = [(labels.get(language, labels["en"]), value) for value, labels in self.setting.choices.items()]
        return gr.CheckboxGroup(choices=choices, value=text.splitlines(), label=label, info=hint)


@dataclass(frozen=True, slots=True)
class Form:
    """One source's settings."""

    source: Source
    head: gr.HTML
    """Its name and how it fares."""
    fields: tuple[Field, ...]
    said: gr.HTML
    """Why a value cannot be used."""


@dataclass(frozen=True, slots=True)
class SettingsPanel:
    kept: gr.BrowserState
    filled: gr.HTML
    """Holds something in the browser once the forms show what is kept: before that they hold defaults."""
    accordion: gr.Accordion
    forms: tuple[Form, ...]

    @property
    def components(self) -> list[gr.Textbox | gr.CheckboxGroup]:
        """What a visitor fills in, form by form."""
        return [field.shown for form in self.forms for field in form.fields]

    @property
    def heads(self) -> list[gr.HTML]:
        return [form.head for form in self.forms]


def source_settings(sources: Sequence[Source], i18n: gr.I18n) -> SettingsPanel:
    """The forms of the sources that have settings or tell how they fare, inside the current `gr.Blocks`."""
    kept = gr.BrowserState({}, storage_key="groundchat-sources", secret="groundchat")
    # Gradio takes a translated label, though its types name only strings.
    label: Any = i18n("source_settings")
    with gr.Accordion(label, open=False, visible=bool(sources), elem_id="gc-source-settings") as accordion:
        forms = tuple(form_of(source) for source in sources)
        template = '<span data-gc-filled="${value}"></span>'
        filled = gr.HTML("", html_template=template, js_on_load=None, elem_classes="gc-bridge")
    return SettingsPanel(kept, filled, accordion, forms)


def form_of(source: Source) -> Form:
    """The components of one source's form."""
    settings = source.live.settings if source.live is not None else ()
    head = gr.HTML("", js_on_load=None)
    fields = tuple(Field(setting, _component(source, setting)) for setting in settings)
    return Form(source, head, fields, gr.HTML("", js_on_load=None, elem_id=f"gc-said-{source.name}"))


def _component(source: Source, setting: Setting) -> gr.Textbox | gr.CheckboxGroup:
    """The component with the default; what it is called comes with the visitor's language."""
    name = f"gc-setting-{source.name}-{setting.name}"
    if setting.choices:
        return gr.CheckboxGroup(choices=list(setting.choices), value=setting.default.splitlines(), elem_id=name)
    most = _MOST_LINES if setting.lines else 1
    return gr.Textbox(setting.default, lines=_LINES if setting.lines else 1, max_lines=most, elem_id=name)


class SettingsHandlers:
    """Handlers of the forms."""

    def __init__(self, panel: SettingsPanel, sources: Sources) -> None:
        self._panel = panel
        self._sources = sources

    def show(self, kept: Kept, request: gr.Request) -> Update:
        """The page was opened: fill the forms in. What can no longer be used is told, and no longer kept."""
        language = spoken(request)
        shown, sound = self.heads(request), Kept()
        for form in self._panel.forms:
            name = form.source.name
            values, said = self._checked(form, kept.get(name, {}), {}, language)
            sound |= {name: values} if values else {}
            shown[form.said] = said
            for field in form.fields:
                shown[field.shown] = field.filled(values.get(field.setting.name, field.setting.default), language)
        return shown | {self._panel.kept: sound}

    def filled(self) -> str:
        """Called once what `show` gave is in the page: from then on a change is a visitor's."""
        return "filled"

    def change(self, request: gr.Request, kept: Kept, filled: str, *given: str | Sequence[str] | None) -> Update:
        """Something was chosen. What cannot be used is told beside it; what was chosen before stays in force."""
        if not filled:  # the browser tells of the defaults that it drew, and of each value that `show` gave
            return {self._panel.kept: gr.skip()}
        language, values = spoken(request), iter(given)
        shown, sound = Update(), Kept()
        for form in self._panel.forms:
            name = form.source.name
            texts = {field.setting.name: field.text(next(values)) for field in form.fields}
            good, shown[form.said] = self._checked(form, texts, kept.get(name, {}), language)
            sound |= {name: good} if good else {}
        return shown | {self._panel.kept: sound}

    def heads(self, request: gr.Request) -> Update:
        """How the sources fare now."""
        language = spoken(request)
        return {form.head: _head(form.source, language) for form in self._panel.forms}

    def _checked(
        self, form: Form, texts: Mapping[str, str], before: dict[str, str], language: str
    ) -> tuple[dict[str, str], str]:
        """What is to be kept of a form's values, and a line on it: why it is what was kept before."""
        name = form.source.name
        defaults = {field.setting.name: field.setting.default for field in form.fields}
        try:
            sound = self._sources.checked({name: texts})[name]
        except InputError as error:
            return before, _line("failed", error.told(language))
        usual = self._sources.checked({name: defaults})[name]
        # Nothing may be a choice of its own: the web search that reads no pages.
        kept = {setting: value for setting, value in sound.items() if value != usual.get(setting, "")}
        return kept, _line("done", say(language, "source_kept")) if kept else ""


def _head(source: Source, language: str) -> str:
    status = source.live.status() if source.live is not None else None
    name = f'<div class="gc-setting-source">{escape(source.label(language))}</div>'
    if status is None:
        return name + _line("busy", say(language, "source_not_asked"))
    return name + _line("failed" if status.failing else "done", status.zh if language == "zh" else status.text)


def _line(state: str, text: str) -> str:
    return f'<div role="status"><div class="gc-line gc-{state}">{escape(text)}</div></div>'

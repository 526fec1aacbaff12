"""What happens when a person loads a chat model or goes back to the reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape

import gradio as gr

from chat import catalogue, on_disk
from chat.base import ChatModel
from chat.bilingual import told
from chat.remote import RemoteModel, is_address
from chat.runs import PREFIX, Run
from chat.slot import Loadable, MakeModel, ModelSlot
from errors import AppError
from ui.layout import ModelPanel, Options
from ui.pane import Update
from ui.telling import spoken
from ui.texts import loading, say

_OF = re.compile(r"([\d,]+) of ([\d,]+) MB")


class ModelHandlers:
    """Handlers of the model picker. A model that fails to load leaves the old one in place.

    Where others than the operator can reach the page, only listed models are taken: an answer about any other name
    could tell which folders there are.
    """

    def __init__(
        self,
        panel: ModelPanel,
        models: ModelSlot,
        reader: ChatModel,
        make: MakeModel,
        forecast: Callable[[str], str],
        options: Options,
    ) -> None:
        self._panel = panel
        self._models = models
        self._reader = reader
        self._make = make
        self._forecast = forecast
        self._options = options

    def show(self, request: gr.Request) -> Update:
        """Who is answering."""
        language, says = spoken(request), self._models.says
        return {
            self._panel.now: self._now(language),
            self._panel.status: _status("busy", loading(language, says)) if says else "",
            self._panel.runs: self.runs(None, request),
        }

    def runs(self, chosen: str | None, request: gr.Request) -> gr.Radio:
        """The fine-tuned models that there are now; `chosen` stays so if it is still there."""
        language = spoken(request)
        there = self._options.runs() if self._options.model_picker else ()
        value = chosen if chosen in [run.id for run in there] else None
        return gr.Radio(choices=[(_told(run, language), run.id) for run in there], value=value, visible=bool(there))

    def listed(self, request: gr.Request) -> Update:
        """One of a list was chosen: what was agreed to before is void."""
        return self._afresh(spoken(request))

    def named(self, name: str, request: gr.Request) -> Update:
        """A name was typed or pasted: it takes the place of the one chosen from the lists."""
        chosen: Update = {self._panel.listed: None, self._panel.runs: None} if name.strip() else {}
        return {**chosen, **self._afresh(spoken(request), name)}

    def _afresh(self, language: str, name: str = "") -> Update:
        panel = self._panel
        return {
            panel.status: "",
            panel.agreed: "",
            panel.load: say(language, "model_load_button"),
            panel.server: gr.Column(visible=is_address(name.strip())),
            panel.server_model: gr.Dropdown(choices=[], value=None),
        }

    def load(
        self,
        listed: str | None,
        run: str | None,
        named: str | None,
        server_model: str | None,
        key: str | None,
        agreed: str,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Tell what will be downloaded; at the second click load it, while everybody goes on talking to the old one.

        `server_model` and `key` are for the address of a server.
        """
        language, panel = spoken(request), self._panel
        name = (named or "").strip() or run or listed or ""
        shown = name.removeprefix(PREFIX)
        refusal = loadable(name, self._options)
        if refusal:
            yield {panel.status: _status("failed", say(language, refusal))}
            return
        if name != agreed and on_disk.there(name) is None and not is_address(name):
            yield {panel.status: _status("busy", say(language, "model_checking", name=shown))}
            try:
                fits = self._forecast(name)
            except AppError as error:
                yield {panel.status: _status("failed", error.told(language))}
                return
            if fits:
                yield {
                    panel.status: _status("busy", f"{self._need(name, language)} {told(fits, language)}"),
                    panel.load: say(language, "model_agree_button"),
                    panel.agreed: name,
                }
                return
        yield {
            panel.status: _status("busy", say(language, "model_loading", name=shown)),
            panel.load: gr.Button(say(language, "model_load_button"), visible=False),
            panel.cancel: gr.Button(visible=True),
            panel.agreed: "",
        }
        ready = {panel.load: gr.Button(visible=True), panel.cancel: gr.Button(visible=False)}
        model: Loadable | None = None
        try:
            model = self._make(name, model=(server_model or "").strip(), key=(key or "").strip())
            for says in self._models.load(model):
                yield {panel.status: _status("busy", loading(language, says), _share(says))}
        except AppError as error:
            yield {panel.status: _status("failed", error.told(language)), **ready, **self._offered(model)}
            return
        yield {
            panel.status: _status("done", say(language, "model_loaded", name=shown)),
            panel.now: self._now(language),
            panel.key: "",
            **ready,
        }

    def _need(self, name: str, language: str) -> str:
        """What has to be downloaded for this model: for an adapter its base."""
        base = next((run.base for run in self._options.runs() if run.id == name), name)
        model = catalogue.find(base)
        if model is None:
            return say(language, "model_size_unknown", name=base)
        # Weights are kept in two bytes each.
        return say(language, "model_size", name=model.id, download=f"{2 * model.parameters:.1f}")

    def _offered(self, model: Loadable | None) -> Update:
        """The models to choose from, where a server has several."""
        if not isinstance(model, RemoteModel) or len(model.offered) < 2:
            return {}
        return {self._panel.server_model: gr.Dropdown(choices=list(model.offered))}

    def cancel(self) -> None:
        """Give up loading."""
        if self._options.model_picker:
            self._models.cancel()

    def use_reader(self, request: gr.Request) -> Update:
        """Answer with the built-in reader again."""
        language = spoken(request)
        if not self._options.model_picker:
            return {self._panel.status: _status("failed", say(language, "model_operator"))}
        self._models.put(self._reader)
        return {self._panel.now: self._now(language), self._panel.status: ""}

    def _now(self, language: str) -> str:
        return who(self._models, self._reader, language)


def loadable(name: str, options: Options) -> str:
    """Why this model cannot be loaded from the page, as a key of `texts`; empty when it may be tried."""
    if not options.model_picker:
        return "model_operator"
    if not name:
        return "model_none"
    listed = options.private or catalogue.find(name) or name in [run.id for run in options.runs()]
    return "" if listed else "model_listed_only"


def who(models: ModelSlot, reader: ChatModel, language: str) -> str:
    """Who is answering now."""
    name = say(language, "reader") if models.current is reader else models.current.name
    return say(language, "model_now", name=name.replace("`", ""))


def _told(run: Run, language: str) -> str:
    """A fine-tuned model in one line: what it is, how well it did on held-out texts, since when."""
    scores = [f"{name} {value:.3g}" for name, value in run.scores.items()]
    what = say(language, f"run_{run.kind}", base=run.base_name.rpartition("/")[2])
    return " · ".join([run.name, what, *scores, f"{run.made:%Y-%m-%d}"])


def _share(says: str) -> float | None:
    """How much of a download is done, 0..1; None where that is not said."""
    sizes = _OF.search(says)
    done, whole = (float(size.replace(",", "")) for size in sizes.groups()) if sizes else (0.0, 0.0)
    return done / whole if whole else None


def _status(state: str, text: str, share: float | None = None) -> str:
    bar = "" if share is None else f'<progress max="1" value="{share:.3f}"></progress>'
    return f'<div class="gc-line gc-{state}" role="status">{escape(text)}{bar}</div>'

"""Groundchat: one page that answers from chosen sources, cites them, and screens both sides.

    python app.py --help

The only place where parts are put together. Nothing heavy happens before the page is open: models, index and library
are loaded by `Startup` in the background.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

import settings as configuration
from chat import catalogue
from chat.assistant import Assistant
from chat.base import Sampling
from chat.local import LocalModel
from chat.placement import Placement
from chat.reader import Reader
from chat.slot import ModelSlot
from chat.sources import Source, Sources
from chat.startup import Startup, Step
from chat.store import ConversationStore
from encoder import SentenceEncoder
from errors import ModelError, SettingsError
from moderation.classifier import EmbeddedClassifier
from moderation.policy import Policy, Screen
from retrieval.index import DocumentIndex
from retrieval.library import GUIDE, LIBRARY, read_library, synchronise
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors
from retrieval.wikipedia import Wikipedia
from serving.health import health_route
from settings import Settings
from ui.layout import Options, translations
from ui.page import Parts, page
from ui.theme import LOGO, SCRIPT, STYLE, theme

VERSION = "0.1.0"

_ROOT = Path(__file__).parent
_DOCUMENTS = "documents"
_LABELS = {
    LIBRARY: {"en": "Starter library", "zh": "入门资料库"},
    GUIDE: {"en": "Guide to Groundchat", "zh": "Groundchat 指南"},
    _DOCUMENTS: {"en": "My documents", "zh": "我的文档"},
    "wikipedia": {"en": "Wikipedia", "zh": "维基百科"},
}


@dataclass(frozen=True, slots=True)
class App:
    """The page, and what is loaded behind it."""

    blocks: gr.Blocks
    startup: Startup
    index: DocumentIndex
    i18n: gr.I18n


def build_app(settings: Settings) -> App:
    """Put every part together. Loads nothing; `App.startup.start()` does."""
    encoder = SentenceEncoder(settings.encoder, settings.encoder_languages)
    index = DocumentIndex(settings.data_dir / "index", encoder)
    vectors = UnitVectors(encoder, index)
    reader = Reader(vectors)
    models = ModelSlot(reader)
    classifier = EmbeddedClassifier(encoder)
    screen = Screen(classifier, _policy(settings), settings.moderation_limit_s)
    sources = _sources(settings, index)

    placement = _placement(settings)

    def make_model(name: str) -> LocalModel:
        # An adapter belongs to the model it was named with.
        chosen = placement if name == settings.model else dataclasses.replace(placement, adapter="")
        return LocalModel(name, chosen, users=settings.users)

    startup = Startup(_steps(settings, encoder, index, classifier, reader, models, placement, make_model))
    assistant = Assistant(
        models=models,
        sources=Sources(sources, settings.source_limit_s),
        guide=Source(index.retriever(GUIDE), _LABELS[GUIDE]),
        reranker=Reranker(vectors, index),
        screen=screen,
        startup=startup,
    )
    i18n = translations()
    parts = Parts(
        assistant=assistant,
        store=ConversationStore(),
        index=index,
        reader=reader,
        make_model=make_model,
        sampling=Sampling(max_new_tokens=settings.max_new_tokens, temperature=settings.temperature),
        options=_options(settings, sources),
        documents_source=_DOCUMENTS,
        upload_limit_mb=settings.upload_limit_mb,
        users=settings.users,
    )
    return App(page(parts, i18n), startup, index, i18n)


def _policy(settings: Settings) -> Policy:
    return Policy.load(Path(settings.moderation_policy) if settings.moderation_policy else None)


def _sources(settings: Settings, index: DocumentIndex) -> list[Source]:
    sources = [
        Source(index.retriever(LIBRARY), _LABELS[LIBRARY]),
        Source(
            index.retriever(_DOCUMENTS), _LABELS[_DOCUMENTS], empty=lambda owner: not index.documents(_DOCUMENTS, owner)
        ),
    ]
    if settings.network:
        contact = f"; {settings.contact}" if settings.contact else ""
        wikipedia = Wikipedia(
            settings.wikipedia_url,
            user_agent=f"Groundchat/{VERSION} (self-hosted chat{contact})",
            cache_folder=settings.data_dir / "wikipedia",
            time_limit_s=settings.source_limit_s,
        )
        sources.append(Source(wikipedia, _LABELS["wikipedia"], remote=True))
    return sources


def _options(settings: Settings, sources: list[Source]) -> Options:
    private = settings.host in ("127.0.0.1", "localhost", "::1") and not settings.share
    picker = {"on": True, "off": False, "auto": private}[settings.model_picker]
    return Options(
        source_names=tuple(source.name for source in sources),
        sources_on=tuple(source.name for source in sources if not source.remote),
        moderation=settings.moderation != "off",
        moderation_forced=settings.moderation == "always",
        model_picker=picker,
        private=private,
        catalogue=catalogue.load(),
    )


def _steps(
    settings: Settings,
    encoder: SentenceEncoder,
    index: DocumentIndex,
    classifier: EmbeddedClassifier,
    reader: Reader,
    models: ModelSlot,
    placement: Placement,
    make_model: Callable[[str], LocalModel],
) -> list[Step]:
    def fill(report: Callable[[str], None]) -> None:
        documents = read_library(_ROOT / "assets" / "corpus")
        synchronise(
            index, documents, lambda done, total: report(f"Indexing the starter library: {100 * done // total} %")
        )
        index.start_backfill()

    def choose(report: Callable[[str], None]) -> None:
        try:
            name = settings.model if settings.model != "auto" else _fitting_model(placement)
        except ModelError as error:
            models.say(str(error))
            return
        if name and name != "reader":
            models.load_in_background(make_model(name))

    return [
        Step("Opening the index", lambda report: index.open()),
        Step("Loading the sentence encoder", lambda report: encoder.load()),
        Step("Loading the moderator", lambda report: classifier.load()),
        Step("Loading the reader", lambda report: reader.load()),
        Step("Indexing the starter library", fill),
        Step("Choosing a chat model", choose),
        Step("Ready", lambda report: print("Answers are ready.", flush=True)),
    ]


def _placement(settings: Settings) -> Placement:
    return Placement(
        settings.device,
        settings.dtype,
        settings.quantisation,
        settings.max_memory,
        settings.offload_dir,
        settings.adapter,
    )


def _fitting_model(placement: Placement) -> str | None:
    """The best catalogue model for this machine's GPU; None without one, or where an adapter names no model."""
    from chat.fit import look
    from chat.placement import check

    if placement.adapter:
        raise ModelError("--adapter belongs to one model, and none is named; name it with --model.")
    check(placement)
    machine = look(placement)
    best = catalogue.best_fit(machine.share) if machine.gpus else None
    return best.id if best else None


def launch(app: App, settings: Settings, *, block: bool = True) -> str:
    """Open the page, then load what is behind it; returns the local address."""
    passphrase = settings.passphrase
    if settings.share and not passphrase:
        passphrase = configuration.Secret(secrets.token_urlsafe(9))
        print(f"Passphrase of the shared page (any user name): {passphrase!s}")
    _, local_url, share_url = app.blocks.launch(
        server_name=settings.host,
        server_port=_port(settings.host, settings.port),
        share=settings.share,
        auth=_gate(passphrase) if passphrase else None,
        auth_message="Any user name; the passphrase comes from whoever sent you this link.",
        prevent_thread_lock=True,
        quiet=True,
        show_error=True,
        ssr_mode=False,
        max_file_size=int(settings.upload_limit_mb * 1_000_000) + 1_000_000,
        enable_monitoring=False,
        run_history=False,
        footer_links=["api", "settings"],
        favicon_path=LOGO,
        app_kwargs={"routes": [health_route(app.startup)]},
        i18n=app.i18n,
        theme=theme(),
        css_paths=STYLE,
        js=SCRIPT.read_text(encoding="utf-8"),
    )
    print(f"Groundchat is open at {local_url}", flush=True)
    if settings.share:
        print(_shared(share_url), flush=True)
    app.startup.start()
    if block:
        app.blocks.block_thread()
    return str(local_url)


def _gate(passphrase: str) -> Callable[[str, str], bool]:
    def admit(user: str, given: str) -> bool:
        return secrets.compare_digest(given.encode(), passphrase.encode())

    return admit


def _shared(share_url: str | None) -> str:
    if share_url:
        return f"Shared at {share_url} for up to a week; keep this process running."
    return (
        "No public link could be had: Gradio's link server did not answer, or its tunnel program could not be "
        "fetched (the lines above say which). Groundchat goes on at the local address."
    )


def _port(host: str, wanted: int) -> int:
    """The port to listen on; a free one for 0. Raises `SettingsError` when host or port cannot be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            raise SettingsError(
                f"Groundchat cannot listen on {host}, port {wanted} ({error.strerror}); "
                "stop what uses it, or choose another with --host and --port."
            ) from error
        return int(probe.getsockname()[1])


def main() -> int:
    """Read the settings, open the page, serve until interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "wikipediaapi"):  # they log every request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        settings = configuration.load(sys.argv[1:], os.environ, _ROOT / ".env")
        app = build_app(settings)
        launch(app, settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Groundchat: one page that answers from chosen sources, cites them, and screens both sides.

    python app.py --help

Puts the page on top of what `wiring.wire` puts together. Nothing heavy happens before the page is open: models, index
and library are loaded by `Startup` in the background.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

import settings as configuration
from chat import catalogue
from chat.placement import ZEROGPU
from chat.runs import Runs
from chat.sources import Source
from chat.store import ConversationStore
from chat.zerogpu import Gpu
from errors import SettingsError
from heap import keep_little
from retrieval.formats.kinds import READABLE
from serving.health import health_route
from serving.operator import PATH, Desk, operator_route
from settings import Settings
from ui.layout import Options, translations
from ui.page import AT_ONCE, Parts, page
from ui.theme import LOGO, SCRIPT, STYLE, theme
from wired_sources import DOCUMENTS
from wiring import Core, most_bytes, wire

_ROOT = Path(__file__).parent
_OTHER_THREADS = 64
"""For all that is no message: each of those may hold a thread while it waits."""


@dataclass(frozen=True, slots=True)
class App:
    """The page, and what is loaded behind it."""

    blocks: gr.Blocks
    core: Core
    i18n: gr.I18n


def build_app(settings: Settings) -> App:
    """Put every part together. Loads nothing; `launch` does."""
    core = wire(settings, ready=lambda: print("Answers are ready.", flush=True), gpu=_gpu(settings))
    i18n = translations()
    parts = Parts(
        assistant=core.assistant,
        store=ConversationStore(gone=core.ratings.let_go if core.ratings else None),
        index=core.index,
        reader=core.reader,
        make_model=core.make_model,
        forecast=core.forecast,
        sampling=core.sampling,
        options=_options(settings, core.assistant.sources.all, core.runs),
        ratings=core.ratings,
        uploads=core.uploads,
        documents_source=DOCUMENTS,
    )
    return App(page(parts, i18n), core, i18n)


def _gpu(settings: Settings) -> Gpu | None:
    """What lends GPUs on a Space with ZeroGPU. Raises `SettingsError` when the Space lacks it."""
    if settings.device != ZEROGPU:
        return None
    try:
        # Before anything asks for CUDA: it makes PyTorch believe in a GPU that is not there yet.
        import spaces
    except ImportError as error:
        raise SettingsError(
            "SPACES_ZERO_GPU says that this Space has ZeroGPU, but the package spaces cannot be imported; take the "
            "variable away, or let Hugging Face install the Space."
        ) from error
    gpu: Gpu = spaces.GPU
    return gpu


def _options(settings: Settings, sources: Sequence[Source], runs: Runs) -> Options:
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
        file_types=tuple(sorted(READABLE)),
        most_bytes=most_bytes(settings),
        ratings=settings.ratings != "off",
        live=tuple(source for source in sources if source.live is not None),
        runs=runs.all,
    )


def launch(app: App, settings: Settings, *, block: bool = True) -> str:
    """Open the page, then load what is behind it; returns the local address."""
    passphrase = settings.passphrase
    if settings.share and not passphrase:
        passphrase = configuration.Secret(secrets.token_urlsafe(9))
        print(f"Passphrase of the shared page (any user name): {passphrase!s}")
    operator_key = settings.operator_key or configuration.Secret(secrets.token_urlsafe(12))
    desk = Desk(app.core.screen, app.core.cases, app.core.tally, settings.moderation, app.core.ratings)
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
        max_threads=AT_ONCE + _OTHER_THREADS,
        max_file_size=most_bytes(settings) + 1_000_000,
        enable_monitoring=False,
        run_history=False,
        footer_links=["api", "settings"],
        favicon_path=LOGO,
        app_kwargs={
            "routes": [
                health_route(app.core.assistant.startup, app.core.moderators),
                operator_route(desk, operator_key),
            ]
        },
        i18n=app.i18n,
        theme=theme(),
        css_paths=STYLE,
        js=SCRIPT.read_text(encoding="utf-8"),
    )
    print(f"Groundchat is open at {local_url}", flush=True)
    made_up = "" if settings.operator_key else f"; its key until the next start: {operator_key!s}"
    print(f"The operator's page is {str(local_url).rstrip('/')}{PATH}{made_up}", flush=True)
    if settings.share:
        print(_shared(share_url), flush=True)
    app.core.assistant.startup.start()
    if block:
        try:
            app.blocks.block_thread()
        finally:
            app.core.close()
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
    keep_little(os.environ)
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

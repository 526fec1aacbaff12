"""Groundchat in a terminal: the same assistant as the page's, with OpenChatKit's commands.

    python -m chat --help

Beside app.py the only other place that puts parts together and hands over the environment. It imports no gradio.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

import settings as configuration
from chat import catalogue
from chat.commands import available
from chat.console import Console, Keyboard
from chat.conversation import begin
from chat.session import Offer, Session
from chat.terminal import Terminal
from errors import AppError, SettingsError
from heap import keep_little
from settings import Settings
from wiring import Core, wire

_ROOT = Path(__file__).parent.parent
_FOLDER = "terminal"
"""Inside the data folder: one process at a time may hold an index open, and the page has its own."""


def main() -> int:
    """Read the settings, load, and converse until the end."""
    _use_utf8()
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    keep_little(os.environ)
    try:
        settings = configuration.load(sys.argv[1:], os.environ, _ROOT / ".env", "python -m chat")
        runs = settings.data_dir / "runs"
        settings = dataclasses.replace(settings, data_dir=settings.data_dir / _FOLDER)
        core = wire(settings, uploads=False, wait_for_model=True, runs=runs)
        _log_to(settings.data_dir / "log")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    terminal = _terminal(core, settings, os.environ)
    core.assistant.startup.start()
    try:
        return terminal.run()
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the answers has gone; nothing may be written any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        if core.assistant.startup.ready:
            core.close()


def _terminal(core: Core, settings: Settings, environ: Mapping[str, str]) -> Terminal:
    sources = core.assistant.sources.all
    session = Session(
        conversation=begin(owner=""),
        sources=tuple(source.name for source in sources if not source.remote),
        moderation=settings.moderation != "off",
        sampling=core.sampling,
        language=_language(environ),
    )
    offer = Offer(
        sources=sources,
        model=core.assistant.models.current.name,
        reader=core.reader.name,
        models=tuple(model.id for model in catalogue.load()),
        models_allowed=settings.model_picker != "off",
        moderation_forced=settings.moderation == "always",
        ratings=core.ratings is not None,
    )
    live = sys.stdout.isatty() and environ.get("TERM", "") != "dumb"
    return Terminal(
        core.assistant,
        session,
        offer,
        core.reader,
        core.make_model,
        Keyboard(sys.stdin, [f"/{name}" for name in available(ratings=offer.ratings, terminal=True)]),
        Console(sys.stdout, sys.stderr, live, colours=not environ.get("NO_COLOR")),
        lambda: tuple(run.id for run in core.runs.all()),
        core.ratings,
    )


def _language(environ: Mapping[str, str]) -> str:
    """The language of the locale: POSIX asks these variables in this order."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "en")
    return locale[:2].lower()


def _use_utf8() -> None:
    """Pipes carry UTF-8 whatever the locale; what cannot be read or shown becomes a replacement character."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="replace")


def _log_to(path: Path) -> None:
    """Warnings and failures go to a file, not between the lines of the conversation. Raises `SettingsError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=path, encoding="utf-8", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    except OSError as error:
        raise SettingsError(
            f"The folder {path.parent} cannot be written to ({error.strerror}); choose another one with --data-dir."
        ) from error
    logging.captureWarnings(True)


if __name__ == "__main__":
    raise SystemExit(main())

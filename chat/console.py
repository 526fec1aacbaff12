"""Reading lines from and writing text to a terminal, a pipe or a file.

No control character of a model, a document or a server reaches the terminal, so none can move its cursor, change its
title or hide what was written.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

PROMPT = ">>> "
_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_CLEAR, _DIM, _PLAIN = "\r\x1b[K", "\x1b[2m", "\x1b[0m"
_DIGITS = re.compile(r"[\d.,]+")


def harmless(text: str) -> str:
    """`text` without control characters other than line ends and tabs."""
    return text.translate(_CONTROL)


class Keyboard:
    """Lines that are typed, with history and completion; or the lines of a pipe, without a prompt."""

    def __init__(self, lines: TextIO, completions: Iterable[str] = ()) -> None:
        self.interactive = lines.isatty() and sys.stdout.isatty()
        self._lines = lines
        self._readline = _readline(tuple(completions)) if self.interactive else None

    def read(self, draft: str = "") -> str:
        """The next line; `draft` stands in it already where it is typed. Raises `EOFError` after the last."""
        if not self.interactive:
            line = self._lines.readline()
            if not line:
                raise EOFError
            return line.removeprefix("\ufeff").removesuffix("\n")
        with self._drafted(draft):
            return input(PROMPT)

    @contextmanager
    def _drafted(self, draft: str) -> Iterator[None]:
        if self._readline is None:
            yield
            return
        self._readline.set_startup_hook(lambda: self._readline.insert_text(harmless(draft)))
        try:
            yield
        finally:
            self._readline.set_startup_hook(None)


def _readline(completions: tuple[str, ...]) -> Any:
    """The module readline, completing words with Tab; None where there is none (Windows)."""
    try:
        readline = importlib.import_module("readline")
    except ImportError:
        return None

    def complete(text: str, state: int) -> str | None:
        return next(iter([word for word in completions if text and word.startswith(text)][state:]), None)

    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")
    return readline


class Console:
    """Text that is written as it comes, lines, and a status line that the next text takes the place of.

    Only a terminal that is `live` gets a status line, dimmed text and escape sequences. Elsewhere progress goes to
    `beside`, a line for each new thing.
    """

    def __init__(self, out: TextIO, beside: TextIO, live: bool, colours: bool) -> None:
        self._out = out
        self._beside = beside
        self._live = live
        self._colours = live and colours
        self._inside = False
        """Whether the last line is not ended yet."""
        self._status = ""

    def piece(self, text: str) -> None:
        """The next piece of a text."""
        self._take_status_away()
        text = harmless(text)
        if text:
            self._out.write(text)
            self._out.flush()
            self._inside = not text.endswith("\n")

    def line(self, text: str = "", *, dim: bool = False) -> None:
        """A line, or several, after the end of what was being written."""
        self.end()
        text = harmless(text)
        self._out.write(f"{_DIM}{text}{_PLAIN}\n" if dim and self._colours and text else f"{text}\n")
        self._out.flush()

    def end(self) -> None:
        """End the line that is being written, if there is one."""
        self._take_status_away()
        if self._inside:
            self._out.write("\n")
            self._out.flush()
            self._inside = False

    def status(self, text: str, *, progress: bool = False) -> None:
        """What is being done now; `progress` is told where there is no status line, too."""
        text = harmless(" ".join(text.split()))
        if self._live and not self._inside:
            columns = shutil.get_terminal_size().columns - 1
            shown = text[: columns if text.isascii() else columns // 2]
            self._out.write(f"{_CLEAR}{_DIM}{shown}{_PLAIN}" if self._colours else f"{_CLEAR}{shown}")
            self._out.flush()
            self._status = text
        elif progress and not self._live and _DIGITS.sub("", text) != _DIGITS.sub("", self._status):
            self._beside.write(f"{text}\n")
            self._beside.flush()
            self._status = text

    def _take_status_away(self) -> None:
        if self._live and self._status:
            self._out.write(_CLEAR)
        self._status = ""

"""Index a Wikipedia dump beforehand, with progress on the terminal; the app finds it done.

python -m retrieval.dump enwiki-latest-pages-articles-multistream.xml.bz2 --data-dir var
python -m retrieval.dump --forget enwiki --data-dir var

Ctrl-C stops it after what is being committed; the same command goes on there, also after a crash. The app must not run
on the same data folder meanwhile.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from encoder import SentenceEncoder
from errors import AppError, DocumentError
from retrieval.dump_intake import Advance, DumpIntake, forget
from retrieval.dump_record import records
from retrieval.dump_source import told
from retrieval.index import DocumentIndex

_EVERY_S = 30.0
"""How often a line is written where there is no terminal to write over the last one."""


class _Shown:
    """Progress in lines: one that is written over on a terminal, one after the other elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = float("-inf")
        self._width = 0

    def show(self, advance: Advance) -> None:
        rate = f" {advance.pages / advance.seconds:,.0f} pages/s." if advance.pages and advance.seconds > 0 else ""
        line = told(advance).text + rate
        if self._out.isatty():
            end = "\n" if advance.whole else ""
            self._out.write(f"\r{line.ljust(self._width)}{end}")
            self._width = len(line)
        elif advance.whole or time.monotonic() - self._shown >= _EVERY_S:
            self._shown = time.monotonic()
            self._out.write(f"{line}\n")
        self._out.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m retrieval.dump", description="Index a Wikipedia dump.")
    parser.add_argument(
        "file", type=Path, nargs="?", help="pages-articles.xml.bz2, -multistream.xml.bz2, .xml, .xml.gz"
    )
    parser.add_argument("--data-dir", type=Path, default=Path("var"), help="the app's data folder (default: var)")
    parser.add_argument("--forget", metavar="WIKI", help="delete the articles of this wiki, such as enwiki")
    given = parser.parse_args(arguments)
    if (given.file is None) == (given.forget is None):
        parser.error("give either a file or --forget")
    index = DocumentIndex(given.data_dir / "index", SentenceEncoder())
    try:
        index.open()
        try:
            return _forget(index, given.forget) if given.forget else _read(index, given.file)
        finally:
            index.close()
    except AppError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _read(index: DocumentIndex, path: Path) -> int:
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        whole = DumpIntake(index, path).run(stop, _Shown(sys.stdout).show)
    finally:
        signal.signal(signal.SIGINT, before)
    if not whole:
        print("\nStopped; the same command goes on from here.")
    return 0 if whole else 130


def _forget(index: DocumentIndex, wiki: str) -> int:
    if not forget(index, wiki):
        known = ", ".join(records(index.folder)) or "none"
        raise DocumentError(
            f"There is no dump of “{wiki}” in {index.folder}; there are: {known}.",
            zh=f"{index.folder} 中没有“{wiki}”的转储；现有：{known}。",
        )
    print(f"The articles of {wiki} are deleted.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Indexes one large text file, telling how far it is in lines of JSON; SIGINT cancels it.

python -m tests.large FILE FOLDER
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from encoder import SentenceEncoder
from retrieval.base import Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex

_PIECE = 2**20
SOURCE = "documents"
_ASKED = "number 345678"
"""It stands once in the file; rounder numbers stand in its sentences too."""


def parts_of(path: Path, asked: list[int]) -> Incoming:
    """The file in pieces of a megabyte of ASCII."""
    size = path.stat().st_size

    def parts(start: int) -> Iterator[Part]:
        asked.append(start)
        with path.open("rb") as file:
            file.seek(start * _PIECE)
            at = start * _PIECE
            while data := file.read(_PIECE):
                yield Part(data.decode("ascii", "replace"), continues=at > 0, done=min(1.0, (at + len(data)) / size))
                at += len(data)

    return Incoming("large", "Large", SOURCE, parts, language="en", name=path.name)


def main(path: Path, folder: Path) -> None:
    encoder = SentenceEncoder()
    encoder.load()
    encoder.encode(["It takes memory when it is used."])
    index = DocumentIndex(folder, encoder)
    index.open()
    cancel, pressed, asked = threading.Event(), list[float](), list[int]()

    def press(*_: object) -> None:
        pressed.append(time.monotonic())
        cancel.set()

    signal.signal(signal.SIGINT, press)
    began, shown = time.monotonic(), 0.0

    def show(done: float, passages: int) -> None:
        nonlocal shown
        if done - shown >= 0.02:
            shown = done
            print(json.dumps({"done": done, "passages": passages, "seconds": time.monotonic() - began}), flush=True)

    whole = index.add_incoming(parts_of(path, asked), show, cancel)
    ended = time.monotonic()
    found = index.search(SearchRequest(_ASKED), SOURCE)
    said = {
        "whole": whole,
        "first_part": asked[0],
        "seconds": ended - began,
        "cancelled_after_s": ended - pressed[0] if pressed else 0.0,
        "unfinished": len(index.unfinished()),
        "documents": len(index.documents(SOURCE, "")),
        "found": sum(f"{_ASKED}." in passage.text for passage in found),
        "window": index.window("large", 300_000, "") is not None,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "disk_bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    }
    index.close()
    print(json.dumps({"done": shown} | said), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

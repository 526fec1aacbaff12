"""Parts of a file read ahead by a thread, so that a page that takes long to read does not hold up a cancel."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator

from retrieval.base import Part

_AHEAD = 2
"""Parts that are read while others are analysed."""
_POLL_S = 0.1


class Cancelled(Exception):
    """The person does not want it any more."""


def ahead(parts: Callable[[], Iterator[Part]], cancel: threading.Event) -> Generator[Part, None, None]:
    """The parts in order. Raises what reading them raises, and `Cancelled` within a moment of the cancel."""
    waiting: queue.Queue[Part | BaseException | None] = queue.Queue(_AHEAD)
    left = threading.Event()

    def put(item: Part | BaseException | None) -> bool:
        while not left.is_set():
            try:
                waiting.put(item, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for part in parts():
                if not put(part):
                    return
            put(None)
        except BaseException as error:
            put(error)

    threading.Thread(target=read, name="read-ahead", daemon=True).start()
    try:
        while not cancel.is_set():
            try:
                item = waiting.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(item, BaseException):
                raise item
            if item is None:
                return
            yield item
        raise Cancelled
    finally:
        left.set()

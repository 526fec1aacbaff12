"""Reads one file in a process of its own: `python -m retrieval.formats`, started by `retrieval/parsing.py`.

Standard input: one line of JSON (`Task`), then nothing; when it ends, so does the process. Standard output: messages,
each its length in 4 bytes, big-endian, then JSON: {"title": …}, {"part": {…}}, {"error": …, "zh": …},
{"failed": a traceback}, {"memory": true}, {"end": true}.

Covered: memory is capped (where the system can), nothing can be written to disk, no socket can be opened and no
process started from Python, the environment is empty. Not covered: code that a broken parser in C might be made to
run has the rights of the app's user.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from errors import DocumentError
from retrieval.base import Part
from retrieval.formats.base import File, not_opened, without_text
from retrieval.formats.kinds import confirm, kind_of

_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn")
_TITLE_PARTS = 3
_LONGEST_TITLE = 200
_NO_TITLES = (
    "untitled",
    "microsoft word",
    "powerpoint presentation",
    "document1",
    "slide 1",
    "layout 1",
    "无标题",
    "新建",
)


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the messages
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit(task["memory"])
    try:
        for message in _answer(task):
            _send(out, message)
    except DocumentError as error:
        _send(out, {"error": error.told("en"), "zh": error.told("zh")})
    except MemoryError:
        _send(out, {"memory": True})
    except BrokenPipeError:
        pass
    except Exception:
        _send(out, {"failed": traceback.format_exc()})


def _answer(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    file = File(Path(task["path"]), task["name"], task["size"])
    kind = kind_of(file)
    try:
        confirm(file, kind)
    except OSError as error:
        raise not_opened(file.name, error) from error
    loader = kind.loader()
    if task["start"] is None:
        stated = _sensible(loader.title(file))
        first = _first_parts(loader.parts(file, 0)) if kind.headed and not stated else iter(())
        yield {"title": stated or next(filter(None, map(_heading, first)), "")}
        return
    words = task["start"] > 0
    for part in loader.parts(file, task["start"]):
        words = words or any(map(str.isalnum, part.text))
        yield {"part": [part.text, part.place, part.continues, part.done]}
    if not words:
        raise without_text(file.name)
    yield {"end": True}


def _first_parts(parts: Iterator[Part]) -> Iterator[Part]:
    for _, part in zip(range(_TITLE_PARTS), parts, strict=False):
        yield part


def _sensible(title: str) -> str:
    """A stated title, on one line; empty where a program or a template wrote it rather than a person."""
    title = " ".join(title.split())
    named = title.lower()
    wanted = any(map(str.isalpha, title)) and len(title) <= _LONGEST_TITLE and not named.startswith(_NO_TITLES)
    return title if wanted and not named.endswith((".doc", ".docx", ".pdf", ".indd", ".ppt", ".tex")) else ""


def _heading(part: Part) -> str:
    lines = (line for line in part.text.split("\n") if line.startswith("#"))
    return _sensible(next(lines, "").lstrip("#"))


def _send(out: BinaryIO, message: dict[str, Any]) -> None:
    data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    out.write(struct.pack(">I", len(data)) + data)
    out.flush()


def _end_with_parent() -> None:
    """The app keeps standard input open; when the app is gone, even by a kill, it ends."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        pass
    else:
        for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
            _, hard = resource.getrlimit(limit)
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            try:
                resource.setrlimit(limit, (allowed, allowed))
            except (ValueError, OSError):  # macOS refuses some
                continue
    sys.addaudithook(_refuse)


def _refuse(event: str, _: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not for a loader")


if __name__ == "__main__":
    main()

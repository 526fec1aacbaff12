"""A file's parts from a process of its own, which may neither grow nor stand still beyond a limit.

The process is started afresh (never forked: the app holds PyTorch's threads) and dies with the iterator. Whatever
happens to it is one sentence here, and the app goes on.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from errors import DocumentError
from retrieval.base import Part

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).parent.parent
_MOST_MESSAGE = 2**26
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What the reading of one file may take."""

    memory_bytes: int = 2**30
    """Address space of the process, where the system can cap it."""
    silence_s: float = 120.0
    """Longest time without a part."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read: what the process is told of it."""

    path: Path
    name: str
    size: int
    limits: Limits

    def title(self) -> str:
        """The title that the file states or its first heading; empty where it has none. Raises `DocumentError`."""
        try:
            with Parts(self, None) as answers:
                return str(answers.message()["title"])
        except OSError as error:  # no process can be started
            raise _not_started(self.name, error) from error

    def parts(self, start: int = 0) -> Parts:
        """Its parts from the `start`-th on; nothing is started before the first is asked for."""
        return Parts(self, start)


class Parts(Iterator[Part]):
    """The parts of a file, as its process sends them. `close` ends the process at once, also from another thread."""

    def __init__(self, reading: Reading, start: int | None) -> None:
        self._reading = reading
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._end: weakref.finalize[Any, Any] | None = None

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __next__(self) -> Part:
        if self._closed.is_set():
            raise StopIteration
        message = self.message()
        if "part" not in message:
            self.close()
            raise StopIteration
        text, place, continues, done = message["part"]
        return Part(text, place, continues, done)

    def close(self) -> None:
        self._closed.set()
        if self._end is not None:
            self._end()

    def message(self) -> dict[str, Any]:
        """The next message of the process. Raises `DocumentError`, after which the process is gone."""
        try:
            return self._checked(self._received())
        except BaseException:
            self.close()
            raise

    def _received(self) -> dict[str, Any]:
        if self._process is None:
            self._launch()
        try:
            data = self._messages.get(timeout=self._reading.limits.silence_s)
        except queue.Empty:
            raise _stands_still(self._reading.name, self._reading.limits.silence_s) from None
        if data is None:
            raise _stopped(self._reading.name) if self._closed.is_set() else self._broken_off()
        found = json.loads(data)
        assert isinstance(found, dict)
        return found

    def _checked(self, message: dict[str, Any]) -> dict[str, Any]:
        name = self._reading.name
        if "error" in message:
            raise DocumentError(message["error"], zh=message["zh"])
        if "memory" in message:
            raise _too_large(name, self._reading.limits.memory_bytes)
        if "failed" in message:
            logger.error("“%s” could not be read:\n%s", name, message["failed"])
            raise _unreadable(name)
        return message

    def _launch(self) -> None:
        # Without the environment no key of the operator's reaches the process; Windows needs its own variables.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "retrieval.formats"],
            cwd=_ROOT,
            env={"PYTHONUTF8": "1"} if os.name == "posix" else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._end = weakref.finalize(self, _finish, self._process)
        task = {
            "path": str(self._reading.path.absolute()),
            "name": self._reading.name,
            "size": self._reading.size,
            "start": self._start,
            "memory": self._reading.limits.memory_bytes,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError, ValueError):  # it is gone or closed already; what is received says so
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(
            target=_receive,
            args=(self._process.stdout, self._messages, self._closed),
            name="parsing",
            daemon=True,
        ).start()
        if self._closed.is_set():  # before there was anything to end
            self._end()

    def _broken_off(self) -> DocumentError:
        assert self._process is not None
        code = self._process.wait()
        logger.warning("The process that read “%s” ended with %s", self._reading.name, code)
        if code in (-signal.SIGKILL, -signal.SIGABRT) if os.name == "posix" else False:
            return _too_large(self._reading.name, self._reading.limits.memory_bytes)
        return _unreadable(self._reading.name)


def _receive(stream: IO[bytes], messages: queue.Queue[bytes | None], closed: threading.Event) -> None:
    """Put each message into the queue, then None. Ends when the process does."""
    with stream:
        while (head := stream.read(4)) and len(head) == 4:
            (size,) = struct.unpack(">I", head)
            data = stream.read(size) if size <= _MOST_MESSAGE else b""
            if len(data) != size or not _put(messages, data, closed):
                break
    _put(messages, None, closed)


def _put(messages: queue.Queue[bytes | None], data: bytes | None, closed: threading.Event) -> bool:
    """Whether there was room in the end; not once the reading is closed, when room is made for the last word."""
    while not closed.is_set():
        try:
            messages.put(data, timeout=0.1)
        except queue.Full:
            continue
        return True
    while data is None:
        try:
            messages.put_nowait(None)
        except queue.Full:
            messages.get_nowait()
            continue
        return True
    return False


def _finish(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    process.wait()


def _not_started(name: str, error: OSError) -> DocumentError:
    return DocumentError(
        f"“{name}” could not be read because this machine starts no more programs now ({error.strerror}); try again "
        "later.",
        zh=f"本机暂时无法启动新的程序（{error.strerror}），因此未能读取“{name}”，请稍后再试。",
    )


def _too_large(name: str, memory_bytes: int) -> DocumentError:
    size = f"{memory_bytes / 2**30:.1f} GB"
    return DocumentError(
        f"Reading “{name}” takes more than the {size} of memory allowed; split it up.",
        zh=f"读取“{name}”所需的内存超过了 {size} 的上限，请拆分后再上传。",
    )


def _stands_still(name: str, silence_s: float) -> DocumentError:
    return DocumentError(
        f"Reading “{name}” was given up because it stood still for {silence_s:g} s; save it again from the program "
        "it comes from, or split it up.",
        zh=f"读取“{name}”时停滞超过 {silence_s:g} 秒，已放弃；请用原来的程序重新保存，或拆分后再上传。",
    )


def _unreadable(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” could not be read, probably because it is damaged; open it in the program it comes from, save it "
        "again and upload that.",
        zh=f"无法读取“{name}”，文件可能已损坏；请用原来的程序打开并重新保存后再上传。",
    )


def _stopped(name: str) -> DocumentError:
    return DocumentError(f"Reading “{name}” was stopped.", zh=f"已停止读取“{name}”。")

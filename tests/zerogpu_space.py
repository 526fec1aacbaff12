"""A Space with ZeroGPU on this machine, as far as it can be had without one.

Real is everything of the package `spaces`: its decorator, its forked workers, its pipes, its client. Not real are the
GPU (workers stay on the CPU) and the service that lends it, which `Scheduler` stands in for: it hands out GPUs, tells
`spaces` in its own words when there is none, and ends a worker whose time is up.

    with zerogpu(tmp_path) as (scheduler, gpu): ...      # `gpu` is spaces.GPU
    python -m tests.zerogpu_space --port 8000            # the whole app, in an environment that `environment` makes
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from chat.zerogpu import Gpu
from tests.listener import HangingUp

Refusal = tuple[int, Mapping[str, str], str]
"""Status, headers and body."""
WARNINGS = (
    "ignore:This process .* is multi-threaded:DeprecationWarning",  # from Python 3.12 on, about the fork
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore:ZeroGPU:UserWarning",
    "ignore:unclosed <socket:ResourceWarning",  # its connections are left to the garbage collector
)
"""What `spaces` gives cause for, as filters."""
_EVENTS = {"Content-Type": "text/event-stream"}
_WAITS_S = 20.0


def refusal(status: int, **said: Any) -> Refusal:
    """An answer that lends nothing: 429 with `left` and `wait` in seconds is a quota that is used up."""
    result = said.pop("result", "quota-exceeded")
    return status, {"Content-Type": "application/json", "X-Approve-Result": result}, json.dumps(said)


NO_GPU_IN_TIME: Refusal = (200, _EVENTS, "event: failed\n\n")


@dataclass(eq=False, slots=True)
class Lent:
    """One call's GPU."""

    asked: dict[str, str]
    """What `spaces` said of the call: `taskId`, `durationSeconds`, `token`, …"""
    gpu: int = -1
    idle: bool = False
    """Whether the GPU still has the worker of the same function's last call."""
    pid: int = 0
    """The worker's process."""
    failed: bool | None = None
    """How it was given back; None while it was not."""


@dataclass(eq=False)
class Scheduler:
    """ZeroGPU's service. `calls` are all that were made, oldest first."""

    gpus: int = 8
    answers: list[Refusal] = field(default_factory=list)
    """What the next calls are answered instead of a GPU, first to last."""
    seconds: float | None = None
    """After which a worker is ended; None for those that it was lent for."""
    calls: list[Lent] = field(default_factory=list)
    reports: int = 0
    """How often a page told that it opens."""

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._last: dict[int, Lent] = {}
        self._closed = False
        self._server = HangingUp(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Scheduler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for call in self.calls:
            if call.pid:
                end(call.pid)
        self._server.hang_up()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, true: Any) -> None:
        """Wait for something that a call is about to do."""
        with self._changed:
            assert self._changed.wait_for(true, _WAITS_S), [(call.gpu, call.pid, call.failed) for call in self.calls]

    def schedule(self, asked: dict[str, str]) -> Iterator[Refusal]:
        """A GPU now, or the promise of one and then the GPU."""
        with self._changed:
            lent = Lent(asked)
            self.calls.append(lent)
            self._changed.notify_all()
            if self.answers:
                yield self.answers.pop(0)
                return
            now = self._take(lent)
            if not now:
                yield 200, _EVENTS, ""
                while not self._take(lent):
                    self._changed.wait()
                    if self._closed:
                        return
            ticket = json.dumps(
                {
                    "idle": lent.idle,
                    "nvidiaIndex": lent.gpu,
                    "nvidiaUUID": f"GPU-{lent.gpu}",
                    "allowToken": str(self.calls.index(lent)),
                }
            )
            yield (
                (200, {"Content-Type": "application/json"}, ticket)
                if now
                else (
                    200,
                    {},
                    f"event: succeeded\ndata: {ticket}\n\n",
                )
            )

    def _take(self, lent: Lent) -> bool:
        """A free GPU, best one on which the function's worker still is."""
        free = [gpu for gpu in range(self.gpus) if gpu not in self._last or self._last[gpu].failed is not None]
        if not free:
            return False

        def has_worker(gpu: int) -> bool:
            last = self._last.get(gpu)
            return last is not None and last.failed is False and last.asked["taskId"] == lent.asked["taskId"]

        lent.gpu = max(free, key=has_worker)
        lent.idle = has_worker(lent.gpu)
        lent.pid = self._last[lent.gpu].pid if lent.idle else 0
        self._last[lent.gpu] = lent
        if lent.idle:
            self._limit(lent)
        return True

    def allow(self, token: str, pid: int) -> int:
        """A new worker is there."""
        with self._changed:
            lent = self.calls[int(token)]
            lent.pid = pid
            self._changed.notify_all()
        self._limit(lent)
        return 200

    def release(self, token: str, failed: bool) -> int:
        """The GPU is given back. A worker that failed is not kept."""
        with self._changed:
            lent = self.calls[int(token)]
            gone = lent.failed is not None
            lent.failed = failed or gone
            self._changed.notify_all()
        if failed and not gone and lent.pid:
            end(lent.pid)
        return 404 if gone else 200

    def _limit(self, lent: Lent) -> None:
        seconds = self.seconds if self.seconds is not None else float(lent.asked["durationSeconds"])
        timer = threading.Timer(seconds, self._time_up, (lent,))
        timer.daemon = True
        timer.start()

    def _time_up(self, lent: Lent) -> None:
        with self._changed:
            if lent.failed is not None:
                return
            lent.failed = True
            self._changed.notify_all()
        end(lent.pid)


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _handler(scheduler: Scheduler) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/schedule":
                self._schedule(asked)
            elif parts.path == "/allow":
                self._answer(scheduler.allow(asked["allowToken"], int(asked["pid"])))
            elif parts.path == "/release":
                self._answer(scheduler.release(asked["allowToken"], asked["fail"] == "true"))
            else:
                scheduler.reports += 1
                self._answer(200)

        def _schedule(self, asked: dict[str, str]) -> None:
            begun = False
            for status, headers, body in scheduler.schedule(asked):
                if not begun:
                    self._answer(status, headers)
                    begun = True
                self.wfile.write(body.encode())
                self.wfile.flush()

        def _answer(self, status: int, headers: Mapping[str, str] = MappingProxyType({})) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler


def environment(scheduler: Scheduler, scratch: Path) -> dict[str, str]:
    """The variables by which a Space knows that it has ZeroGPU."""
    cgroup = scratch / "cgroup"
    cgroup.write_text("0::/a/space\n", encoding="utf-8")
    return {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": scheduler.url,
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(cgroup),
        "ZEROGPU_OFFLOAD_DIR": str(scratch / "tensors"),
    }


@contextmanager
def zerogpu(scratch: Path, **settings: Any) -> Iterator[tuple[Scheduler, Gpu]]:
    """`spaces` as on such a Space, but for its patches to PyTorch, which other tests of this process must not see.

    `settings` are the scheduler's.
    """
    import gradio

    launch = gradio.Blocks.launch
    before = {name: sys.modules.pop(name) for name in _spaces()}
    with Scheduler(**settings) as scheduler:
        sys.modules["spaces.zero.torch"] = _no_patches()
        try:
            with mock.patch.dict(os.environ, environment(scheduler, scratch)):
                import spaces
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it looks for an NVIDIA driver, once
                from spaces.zero.config import get_config

                get_config()
            yield scheduler, spaces.GPU
        finally:
            gradio.Blocks.launch = launch  # type: ignore[method-assign]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
            for name in _spaces():
                del sys.modules[name]
            sys.modules.update(before)


def _spaces() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "spaces"]


def _no_patches() -> ModuleType:
    """What `spaces` does to PyTorch, left out."""
    module = ModuleType("spaces.zero.torch")
    for name in ("enter_mode", "patch", "unpatch", "init", "move"):
        setattr(module, name, lambda *_, **__: None)
    for name in ("pack", "size", "is_in_bad_fork"):
        setattr(module, name, lambda *_, **__: 0)
    return module


def main() -> int:
    """The whole app on such a Space, with all of its patches; only what a worker does to a real GPU is left out."""
    import torch

    torch.version.cuda = torch.version.cuda or "13.0"  # PyTorch's CPU build takes what is patched for lacking
    for name in ("_cuda_init", "_cuda_exchangeDevice"):
        if not hasattr(torch._C, name):
            setattr(torch._C, name, None)
    torch.cuda._is_in_bad_fork = bool
    import spaces  # noqa: F401
    import spaces.zero.torch as patches

    patches.init = patches.move = lambda *_, **__: None
    import app
    from chat import zerogpu

    zerogpu.Lender.__init__.__defaults__ = ("cpu",)
    return app.main()


if __name__ == "__main__":
    raise SystemExit(main())

"""The real `transformers serve` with a small model made on the spot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from chat.remote import RemoteModel
from chat.remote_http import Limits
from errors import ModelError
from evaluation.startup import free_port
from tests.tiny_model import shared_tiny_model

LIMITS = Limits(connect_s=2, silence_s=20, tries=2)
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs a small real model."""

    url: str
    model: str
    process: psutil.Process


@contextmanager
def serve(base: Path, scratch: Path) -> Iterator[Serving]:
    """The server of the model that tests share under `base`; its hub cache, in `scratch`, is empty."""
    folder, port = shared_tiny_model(base, chat_template=True), free_port()
    command = [shutil.which("transformers", path=Path(sys.executable).parent) or "transformers", "serve", str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch), "OMP_NUM_THREADS": "1"}
    with (scratch / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_there(server, url, scratch / "log")
            yield Serving(url, str(folder), psutil.Process(server.pid))
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_there(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < until:
        try:
            return RemoteModel(url, limits=replace(LIMITS, tries=1)).load()
        except ModelError:
            time.sleep(0.1)
    raise RuntimeError(f"transformers serve did not start:\n{log.read_text(encoding='utf-8')}")

"""Milvus Lite's server on this machine, for tests: the real protocol over the network, bound to 127.0.0.1.

    with MilvusServer(folder) as server:
        MilvusIndex(server.url, encoder)

It can be stopped and started again on the same port, with what it holds.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from evaluation.startup import free_port

_START_S = 60.0


class MilvusServer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self._folder / "milvus")]
        with (self._folder / "milvus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self._port)], stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"Milvus Lite did not start:\n{(self._folder / 'milvus.log').read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clear(self) -> None:
        """Delete every row; making collections anew takes seconds."""
        from pymilvus import MilvusClient

        client = MilvusClient(uri=self.url)
        for name in client.list_collections():
            client.delete(name, filter='pk != ""')
        client.close()

    def _answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self._port)) == 0

    def __enter__(self) -> MilvusServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

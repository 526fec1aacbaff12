"""Connections that go only to addresses which may be reached, and whose every wait ends with the request's budget.

A network backend for httpcore (its documented seam below HTTP and TLS): `fetch.py` is its only user.
"""

from __future__ import annotations

import concurrent.futures
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

import httpcore

from errors import SourceError
from retrieval.address import check_addresses, inside_a_network

Resolve = Callable[[str, int], list[str]]
"""Host name and port to the addresses it has; raises `OSError` when it has none."""

SLICE_S = 0.1
"""How long a wait may ignore a cancel."""
_HEAD_BYTES = 2**18
"""What may arrive before a body: headers, and announcements (1xx) before them."""


class Cancelled(SourceError):
    """The person who asked does not wait any more."""


@dataclass(slots=True)
class Budget:
    """What one request may still take: time, and bytes on the wire."""

    host: str
    deadline: float
    """On `time.monotonic()`'s clock."""
    seconds: float
    """What was granted at the start, for the message."""
    cancel: threading.Event
    named: bool = False
    """Whether the operator named the host, so that it may lie inside a network."""
    limit: int = 2**20
    """Bytes of the decompressed body."""
    answered: bool = False
    """Whether the headers are read to their end."""
    wire: int = _HEAD_BYTES
    """Bytes that may still arrive."""

    def left(self) -> float:
        """Seconds left, above 0. Raises `Cancelled` or `SourceError` when there are none."""
        if self.cancel.is_set():
            raise Cancelled(f"Asking {self.host} was cancelled.", zh=f"对 {self.host} 的请求已取消。")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.spent()
        return left

    def spent(self) -> SourceError:
        if self.seconds <= 0:
            return SourceError(
                f"There was no time left to ask {self.host}; try again.",
                zh=f"已没有时间向 {self.host} 提问，请再试一次。",
            )
        return SourceError(
            f"{self.host} did not answer within {self.seconds:.2g} s; try again later.",
            zh=f"{self.host} 在 {self.seconds:.2g} 秒内没有回应，请稍后再试。",
        )

    def took(self, arrived: int) -> None:
        """Count bytes that arrived. Raises `SourceError` when they are more than the answer may need."""
        self.wire -= arrived
        if self.wire < 0:
            raise self.too_long() if self.answered else self.headers_too_long()

    def body_follows(self) -> None:
        """The headers are read. A body within the limit takes less than twice its length, whatever frames it."""
        self.answered = True
        self.wire += 2 * self.limit

    def too_long(self) -> SourceError:
        megabytes = f"{self.limit / 2**20:.3g} MB"
        return SourceError(
            f"{self.host} sent more than {megabytes}, which is over the limit; ask for less.",
            zh=f"{self.host} 发来的内容超过了 {megabytes} 的上限，请缩小范围。",
        )

    def headers_too_long(self) -> SourceError:
        return SourceError(
            f"{self.host} sent headers that are too long, so it was cut off; check the address.",
            zh=f"{self.host} 发来的标头过长，已中断读取，请检查网址。",
        )


class _Current(threading.local):
    """The budget of the request that this thread is making: kept connections serve many requests."""

    given: Budget | None = None

    @property
    def budget(self) -> Budget:
        if self.given is None:
            raise RuntimeError("a connection was used outside of a request")
        return self.given


class CheckedBackend(httpcore.NetworkBackend):
    """Opens connections, only to addresses that may be reached and within the budget."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._plain = httpcore.SyncBackend()
        self._current = _Current()

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        self._current.given = budget
        try:
            yield
        finally:
            self._current.given = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        budget = self._current.budget
        deadline = time.monotonic() + budget.left()

        def connect() -> httpcore.NetworkStream:
            addresses = self._resolve(host, port)
            check_addresses(budget.host, addresses, budget.named)
            if not budget.named and any(map(_is_this_machine, addresses)):
                raise inside_a_network(budget.host)
            return self._first(addresses, port, deadline, socket_options)

        return BudgetedStream(_waited_for(connect, budget), self._current)

    def _first(
        self, addresses: list[str], port: int, deadline: float, options: Iterable[httpcore.SOCKET_OPTION] | None
    ) -> httpcore.NetworkStream:
        """A connection to the first of the addresses that accepts one; each gets a fair part of the time left."""
        for i, address in enumerate(addresses):
            share = max((deadline - time.monotonic()) / (len(addresses) - i), 0.001)
            try:
                return self._plain.connect_tcp(address, port, share, None, options)
            except (httpcore.NetworkError, httpcore.TimeoutException):
                if i == len(addresses) - 1:
                    raise
        raise socket.gaierror(socket.EAI_NONAME, "no address")


def addresses_of(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is too long or empty
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_this_machine(address: str) -> bool:
    """Whether a public address is this machine's own, behind whose firewall we stand.

    A datagram socket that is "connected" sends nothing; it tells from which address it would send, and to itself a
    machine sends from the same.
    """
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:  # no way there, so it is not here
            return False
        return bool(probe.getsockname()[0] == address)


def _waited_for(connect: Callable[[], httpcore.NetworkStream], budget: Budget) -> httpcore.NetworkStream:
    """Resolve and connect in a thread and stop waiting when the budget ends: a name server may take half a minute."""
    future: concurrent.futures.Future[httpcore.NetworkStream] = concurrent.futures.Future()

    def run() -> None:
        try:
            stream = connect()
        except BaseException as error:  # handed to the waiting thread, which raises it
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return
        if future.set_running_or_notify_cancel():
            future.set_result(stream)
        else:
            stream.close()

    threading.Thread(target=run, name="fetch-connect", daemon=True).start()
    while True:
        try:
            left = budget.left()
        except SourceError:
            if future.cancel():
                raise
            left = SLICE_S
        concurrent.futures.wait([future], min(left, SLICE_S))
        if future.done():
            return future.result()


class BudgetedStream(httpcore.NetworkStream):
    """A connection whose every wait ends with the budget of the request that uses it."""

    def __init__(self, inner: httpcore.NetworkStream, current: _Current) -> None:
        self._inner = inner
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        budget = self._current.budget
        while True:
            try:
                arrived = self._inner.read(max_bytes, min(budget.left(), SLICE_S))
            except httpcore.ReadTimeout:
                continue
            budget.took(len(arrived))
            return arrived

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._current.budget.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._current.budget.left())
        return BudgetedStream(secured, self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

"""Connections that go only to addresses which may be reached, and whose every wait ends with the request's budget.

A network backend for httpcore (its documented seam below HTTP and TLS): `fetch.py` is its only user.
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
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

Resolve = Callable[[str, int], list[str]]
"""Host name and port to the addresses it has; raises `OSError` when it has none."""

_SLICE_S = 0.1
"""How long a wait may ignore a cancel."""
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(block)
    for block in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
"""Beside what `ipaddress` knows, which differs between Python's versions: special blocks (IANA's registries), tunnels,
and the one metadata address of a cloud that is not private."""
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Cancelled(SourceError):
    """The person who asked does not wait any more."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long one request may still go on."""

    host: str
    deadline: float
    seconds: float
    """What was granted at the start, for the message."""
    cancel: threading.Event

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


class _Current(threading.local):
    """The budget of the request that this thread is making: kept connections serve many requests."""

    budget: Budget | None = None

    def left(self) -> float:
        return self.budget.left() if self.budget else _SLICE_S


class CheckedBackend(httpcore.NetworkBackend):
    """Opens connections, only to addresses that may be reached and within the budget."""

    def __init__(self, allowed_hosts: frozenset[str], resolve: Resolve) -> None:
        self._allowed_hosts = allowed_hosts
        self._resolve = resolve
        self._plain = httpcore.SyncBackend()
        self._current = _Current()

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        self._current.budget = budget
        try:
            yield
        finally:
            self._current.budget = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        deadline = time.monotonic() + self._current.left()

        def connect() -> httpcore.NetworkStream:
            addresses = self._resolve(host, port)
            if not {host.lower(), f"{host}:{port}".lower()} & self._allowed_hosts:
                _refuse_private(host, addresses)
            return self._first(addresses, port, deadline, socket_options)

        return BudgetedStream(_waited_for(connect, self._current), self._current)

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


def _refuse_private(host: str, addresses: list[str]) -> None:
    if not all(_is_public(ipaddress.ip_address(address)) for address in addresses):
        raise SourceError(
            f"{host} is inside a private network and is not fetched; the operator can allow it by name.",
            zh=f"{host} 位于内部网络，不予读取；管理员可以按名称放行。",
        )


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the whole internet can reach the address, or the IPv4 address that it stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    special = address.is_multicast or address.is_reserved or any(address in block for block in _NOT_PUBLIC)
    return address.is_global and not special


def _waited_for(connect: Callable[[], httpcore.NetworkStream], current: _Current) -> httpcore.NetworkStream:
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
            left = current.left()
        except SourceError:
            if future.cancel():
                raise
            left = _SLICE_S
        concurrent.futures.wait([future], min(left, _SLICE_S))
        if future.done():
            return future.result()


class BudgetedStream(httpcore.NetworkStream):
    """A connection whose every wait ends with the budget of the request that uses it."""

    def __init__(self, inner: httpcore.NetworkStream, current: _Current) -> None:
        self._inner = inner
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            try:
                return self._inner.read(max_bytes, min(self._current.left(), _SLICE_S))
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._current.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._current.left())
        return BudgetedStream(secured, self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

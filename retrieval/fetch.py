"""The one way out to the network: GET a public http(s) address within limits, or say in one sentence why not.

Covered: only http and https, no credentials in the URL. A host is resolved once for each connection, every address it
has must be public, and the connection goes to the address that was checked (no DNS rebinding); redirects are capped
and each hop is checked again. One deadline holds over DNS, connecting, TLS, headers, body, redirects and slow drips,
and a cancel is noticed within 0.1 s (within the deadline during a TLS handshake). Bytes are counted after
decompression, and never inflated beyond the limit. Hosts that the operator names may be private.

Not covered: limits per host, conditional requests (ETag), HTTP proxies, HTTP/2.
"""

from __future__ import annotations

import email.utils
import math
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpcore
import httpx

from errors import SourceError
from retrieval.connection import Budget, CheckedBackend, Resolve, addresses_of

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 10.0
    bytes: int = 4 * 2**20
    """Of the body after decompression."""
    redirects: int = 4


@dataclass(frozen=True, slots=True)
class Fetched:
    url: str
    """Where the body came from in the end, after redirects."""
    body: bytes


class StatusError(SourceError):
    """The host answered, but not with what was asked for. `retry_after_s` is 0 where it named no time."""

    def __init__(self, message: str, status: int, retry_after_s: float, *, zh: str = "") -> None:
        super().__init__(message, zh=zh)
        self.status = status
        self.retry_after_s = retry_after_s


class BrokenOffError(SourceError):
    """The answer broke off or was garbled on its way; a second try may do."""


class Fetcher:
    """Fetches within `limits`. `allowed_hosts` (`host` or `host:port`) may lie inside private networks.

    Safe to call from several threads; connections are kept for a while and shared between them.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        allowed_hosts: Iterable[str] = (),
        limits: Limits = Limits(),
        resolve: Resolve | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._limits = limits
        self._backend = CheckedBackend(frozenset(host.lower() for host in allowed_hosts), resolve or addresses_of)
        self._lock = threading.Lock()
        self._pools: dict[str, httpcore.ConnectionPool] = {}

    def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        deadline: float | None = None,
        cancel: threading.Event | None = None,
    ) -> Fetched:
        """The body at `url`. `deadline` (on `time.monotonic()`'s clock) can only shorten the time limit.

        Raises `StatusError` when the host answers with anything but success, `BrokenOffError` when a second try
        may do, `Cancelled` after `cancel` was set, `SourceError` otherwise.
        """
        target = _parsed(url)
        now = time.monotonic()
        until = min(now + self._limits.seconds, math.inf if deadline is None else deadline)
        for _ in range(self._limits.redirects + 1):
            budget = Budget(target.host, until, until - now, cancel or threading.Event())
            found = self._hop(target, accept, budget)
            if isinstance(found, bytes):
                return Fetched(str(target), found)
            target = found
        raise SourceError(
            f"{_parsed(url).host} redirected more than {self._limits.redirects} times; check the address.",
            zh=f"{_parsed(url).host} 的重定向超过了 {self._limits.redirects} 次，请检查网址。",
        )

    def close(self) -> None:
        """Close the connections that were kept; the next `get` opens new ones."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def _hop(self, target: httpx.URL, accept: str, budget: Budget) -> bytes | httpx.URL:
        """One request: its body, or where it redirects to."""
        headers = [
            (b"Host", target.netloc),
            (b"User-Agent", self._user_agent.encode("ascii", "replace")),
            (b"Accept", accept.encode("ascii")),
            (b"Accept-Encoding", b"gzip"),
        ]
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        extensions = {"timeout": {"pool": budget.left()}}
        with _as_source_errors(budget), self._backend.within(budget):
            request = self._connections(target.scheme).stream("GET", url, headers=headers, extensions=extensions)
            with request as response:
                location = _header(response, b"location")
                if response.status in _REDIRECTS and location:
                    return _parsed(str(target.join(location)))
                if not 200 <= response.status < 300:
                    raise _status_error(target.host, response)
                return _body(response, target.host, self._limits.bytes)

    def _connections(self, scheme: str) -> httpcore.ConnectionPool:
        with self._lock:
            if scheme not in self._pools:
                self._pools[scheme] = httpcore.ConnectionPool(
                    ssl_context=httpx.create_ssl_context() if scheme == "https" else None,
                    network_backend=self._backend,
                    max_connections=32,
                    max_keepalive_connections=8,
                    keepalive_expiry=30.0,
                )
            return self._pools[scheme]


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SourceError("The address to fetch is malformed; check it.", zh="网址格式不正确，请检查。") from error
    if parsed.scheme not in ("http", "https"):
        raise SourceError(
            f"“{parsed.scheme}:” addresses are not fetched; give one that starts with https://.",
            zh=f"不能读取“{parsed.scheme}:”开头的网址，请给出以 https:// 开头的网址。",
        )
    if not 0 < (parsed.port or 80) < 2**16:
        raise SourceError(
            "The address to fetch has a port that does not exist; check it.", zh="网址中的端口不存在，请检查。"
        )
    if parsed.userinfo:
        raise SourceError(
            f"Addresses with a user name or password are not fetched; leave them out for {parsed.host}.",
            zh=f"不能读取带用户名或密码的网址，请从 {parsed.host} 的网址中去掉它们。",
        )
    if not parsed.host:
        raise SourceError("The address to fetch names no host; check it.", zh="网址中没有主机名，请检查。")
    return parsed


def _header(response: httpcore.Response, name: bytes) -> str:
    """The first header of this (lower-case) name, or nothing."""
    return next((value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name), "")


def _status_error(host: str, response: httpcore.Response) -> StatusError:
    wait = _retry_after(_header(response, b"retry-after"))
    when, later = (f"in {math.ceil(wait)} s", f"{math.ceil(wait)} 秒后") if wait else ("later", "稍后")
    return StatusError(
        f"{host} answered with HTTP status {response.status}; try again {when}.",
        response.status,
        wait,
        zh=f"{host} 返回了 HTTP 状态 {response.status}，请{later}再试。",
    )


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3); 0 where it is neither."""
    if value.isdecimal():
        seconds = float(value[:9])
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            seconds = 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)


def _body(response: httpcore.Response, host: str, limit: int) -> bytes:
    """The decompressed body. Raises `SourceError` as soon as it is longer than `limit`."""
    too_long = SourceError(
        f"{host} sent more than {limit / 2**20:.3g} MB, which is over the limit; ask for less.",
        zh=f"{host} 发来的内容超过了 {limit / 2**20:.3g} MB 的上限，请缩小范围。",
    )
    broken = _broken_off(host)
    encoding = _header(response, b"content-encoding").lower()
    if encoding not in ("", "identity", "gzip"):
        raise SourceError(
            f"{host} sent its answer in an encoding that was not asked for; try again later.",
            zh=f"{host} 发来的内容采用了未要求的编码，请稍后再试。",
        )
    length = _header(response, b"content-length")
    if length.isdecimal() and float(length[:20]) > limit:
        raise too_long
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    for chunk in response.iter_stream():
        try:
            part = inflate.decompress(chunk, limit - size + 1) if inflate else chunk
        except zlib.error as error:
            raise broken from error
        size += len(part)
        if size > limit:
            raise too_long
        parts.append(part)
    if inflate and not inflate.eof:
        raise broken
    return b"".join(parts)


def _broken_off(host: str) -> BrokenOffError:
    return BrokenOffError(f"{host} broke off its answer; try again later.", zh=f"{host} 的回应中断了，请稍后再试。")


@contextmanager
def _as_source_errors(budget: Budget) -> Iterator[None]:
    """What the connection reports, as one sentence for a person."""
    host = budget.host
    try:
        yield
    except httpcore.PoolTimeout as error:
        raise SourceError(
            f"Too many requests to {host} are under way; try again in a moment.",
            zh=f"正在向 {host} 发送的请求太多，请稍后再试。",
        ) from error
    except httpcore.TimeoutException as error:
        raise budget.spent() from error
    except socket.gaierror as error:
        raise SourceError(
            f"{host} was not found; check the address and this machine's network.",
            zh=f"找不到 {host}，请检查网址和本机的网络。",
        ) from error
    except (httpcore.ProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
        raise _broken_off(host) from error
    except (httpcore.NetworkError, OSError) as error:
        if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
            raise SourceError(
                f"{host} has no valid certificate, so it is not trusted; check the address.",
                zh=f"{host} 没有有效的证书，因此不受信任，请检查网址。",
            ) from error
        raise SourceError(
            f"{host} could not be reached; check this machine's network, or try later.",
            zh=f"无法连接 {host}，请检查本机的网络，或稍后再试。",
        ) from error
    except (httpx.InvalidURL, httpcore.UnsupportedProtocol) as error:
        raise SourceError(
            f"{host} redirected to an address that cannot be fetched; check the address.",
            zh=f"{host} 重定向到了不能读取的网址，请检查网址。",
        ) from error

"""The one way out to the network: GET a public http(s) address within limits, or say in one sentence why not.

Covered: only http and https, no credentials in the URL, hosts spelled plainly (`address.py`). A host is resolved once
for each connection, every address it has must be public, and the connection goes to the address that was checked (no
DNS rebinding); redirects are capped and each hop is checked again. One deadline holds over DNS, connecting, TLS,
headers, body, redirects and slow drips, and a cancel is noticed within 0.1 s (within the deadline during a TLS
handshake). Bytes are counted as they arrive and after decompression, and never inflated beyond the limit. Hosts are
asked at most as often as `pace.py` allows. Hosts that the operator names may be private, but a page elsewhere cannot
lead there. Cookies, credentials and proxies, those of the environment too, are never used.

Not covered: HTTP/2, robots.txt.
"""

from __future__ import annotations

import email.utils
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpcore
import httpx

from errors import SourceError
from retrieval.address import check_outside, host_of, names_of, parsed
from retrieval.body import BrokenOffError, broken_off, header, pieces
from retrieval.connection import Budget, Cancelled, CheckedBackend, Resolve, addresses_of
from retrieval.pace import MOST_AT_ONCE, Pace

__all__ = ["Answer", "BrokenOffError", "Cancelled", "Fetched", "Fetcher", "Known", "Limits", "StatusError"]

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
    content_type: str
    """In lower case, without parameters; empty where the host named none."""


@dataclass(frozen=True, slots=True)
class Known:
    """The version of a body that one has already (RFC 9110, 8.8)."""

    url: str
    """Where it came from in the end; elsewhere its validators mean nothing."""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a body. `changed` is false where the host confirmed the version that is `Known`."""

    url: str
    headers: Mapping[str, str]
    changed: bool

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class StatusError(SourceError):
    """The host answered, but not with what was asked for. `retry_after_s` is 0 where it named no time."""

    def __init__(self, message: str, status: int, retry_after_s: float, *, zh: str = "") -> None:
        super().__init__(message, zh=zh)
        self.status = status
        self.retry_after_s = retry_after_s


Write = Callable[[bytes], object]


class Fetcher:
    """Fetches within `limits`. `allowed_hosts` (`host` or `host:port`) may lie inside private networks.

    Fetchers that share a `pace` share its limits per host. Safe to call from several threads; connections are kept for
    a while and shared between them.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        allowed_hosts: Iterable[str] = (),
        limits: Limits = Limits(),
        pace: Pace | None = None,
        resolve: Resolve = addresses_of,
    ) -> None:
        self._user_agent = " ".join(user_agent.split()).encode("ascii", "replace")
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._limits = limits
        self._pace = pace or Pace()
        self._backend = CheckedBackend(resolve)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, bool], httpcore.ConnectionPool] = {}

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
        body: list[bytes] = []
        answer = self._follow(url, accept, None, body.append, deadline, cancel)
        return Fetched(answer.url, b"".join(body), answer.content_type)

    def download(
        self,
        url: str,
        file: Path,
        *,
        known: Known | None = None,
        accept: str = "*/*",
        deadline: float | None = None,
        cancel: threading.Event | None = None,
    ) -> Answer:
        """Write the body at `url` into `file` piece by piece, unless it is still the `known` one.

        There is no file where the body has not changed or could not be had. Raises what `get` raises.
        """
        complete = False
        try:
            with file.open("wb") as opened:
                answer = self._follow(url, accept, known, lambda piece: _write(opened.write, piece), deadline, cancel)
            complete = answer.changed
            return answer
        except OSError as error:
            raise _not_written(error) from error
        finally:
            if not complete:
                with suppress(OSError):  # what failed is raised already
                    file.unlink(missing_ok=True)

    def may_lie_inside(self, url: str) -> bool:
        """Whether the operator allows the URL's host by name. Raises `SourceError` when it is none."""
        return self._is_named(parsed(url))

    def close(self) -> None:
        """Close the connections that were kept; the next `get` opens new ones."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def _follow(
        self,
        url: str,
        accept: str,
        known: Known | None,
        write: Write,
        deadline: float | None,
        cancel: threading.Event | None,
    ) -> Answer:
        first = target = parsed(url)
        now = time.monotonic()
        until = min(now + self._limits.seconds, math.inf if deadline is None else deadline)
        cancel = cancel or threading.Event()
        named = True
        for _ in range(self._limits.redirects + 1):
            # A page elsewhere must not lead to a host that is reachable only because the operator named it.
            named = named and self._is_named(target)
            budget = Budget(host_of(target), until, until - now, cancel, named, self._limits.bytes)
            found = self._hop(target, accept, known, budget, write)
            if isinstance(found, Answer):
                return found
            target = found
        raise SourceError(
            f"{host_of(first)} redirected more than {self._limits.redirects} times; check the address.",
            zh=f"{host_of(first)} 的重定向超过了 {self._limits.redirects} 次，请检查网址。",
        )

    def _is_named(self, target: httpx.URL) -> bool:
        return not self._allowed_hosts.isdisjoint(names_of(target))

    def _hop(
        self, target: httpx.URL, accept: str, known: Known | None, budget: Budget, write: Write
    ) -> Answer | httpx.URL:
        """One request: what came of it, or where it redirects to."""
        if not budget.named:
            check_outside(target)
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        conditions = _conditions(target, known)
        headers = [
            (b"Host", target.netloc),
            (b"User-Agent", self._user_agent),
            (b"Accept", accept.encode("ascii")),
            (b"Accept-Encoding", b"gzip"),
            *conditions,
        ]
        with self._pace.turn(budget), _as_source_errors(budget), self._backend.within(budget):
            pool = self._connections(target.scheme, budget.named)
            with pool.stream("GET", url, headers=headers) as response:
                location = _location(response)
                if response.status in _REDIRECTS and location:
                    return _onward(target, location)
                if response.status == 304 and conditions:
                    return Answer(str(target), _headers(response), changed=False)
                if response.status not in (200, 203):
                    raise _status_error(budget.host, response)
                budget.body_follows()
                for piece in pieces(response, budget):
                    write(piece)
                return Answer(str(target), _headers(response), changed=True)

    def _connections(self, scheme: str, named: bool) -> httpcore.ConnectionPool:
        """The connections of a kind. Those into private networks serve only requests that may go there."""
        with self._lock:
            if (scheme, named) not in self._pools:
                self._pools[scheme, named] = httpcore.ConnectionPool(
                    ssl_context=httpx.create_ssl_context() if scheme == "https" else None,
                    network_backend=self._backend,
                    max_connections=MOST_AT_ONCE,
                    max_keepalive_connections=8,
                    keepalive_expiry=30.0,
                )
            return self._pools[scheme, named]


def _conditions(target: httpx.URL, known: Known | None) -> list[tuple[bytes, bytes]]:
    """Headers that ask for the body only if it is another than the one that is known."""
    if known is None or known.url != str(target):
        return []
    validators = ((b"If-None-Match", known.etag), (b"If-Modified-Since", known.last_modified))
    return [(name, value.encode("latin-1")) for name, value in validators if value]


def _location(response: httpcore.Response) -> str:
    """Where a redirect leads. Some servers write it in UTF-8 where they should percent-encode it."""
    given = header(response, b"location").encode("latin-1")
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given.decode("latin-1")


def _onward(target: httpx.URL, location: str) -> httpx.URL:
    """Where a redirect leads from `target`. Raises `SourceError`."""
    try:
        url = str(target.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError(
            f"{host_of(target)} redirected to an address that cannot be fetched; check the address.",
            zh=f"{host_of(target)} 重定向到了不能读取的网址，请检查网址。",
        ) from error
    return parsed(url)


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1"): header(response, name) for name in {key.lower() for key, _ in response.headers}}


def _write(write: Write, piece: bytes) -> None:
    try:
        write(piece)
    except OSError as error:
        raise _not_written(error) from error


def _not_written(error: OSError) -> SourceError:
    return SourceError(
        f"What was fetched could not be written to this machine's disk ({error.strerror}); free some space.",
        zh=f"无法把读取的内容写入本机磁盘（{error.strerror}），请腾出磁盘空间。",
    )


def _status_error(host: str, response: httpcore.Response) -> StatusError:
    status = response.status
    wait = _retry_after(header(response, b"retry-after"))
    if 400 <= status < 500 and status not in (408, 425, 429):
        todo, then = "check the address", "请检查网址"
    else:
        when, later = (f"in {math.ceil(wait)} s", f"{math.ceil(wait)} 秒后") if wait else ("later", "稍后")
        todo, then = f"try again {when}", f"请{later}再试"
    return StatusError(
        f"{host} answered with HTTP status {status}; {todo}.",
        status,
        wait,
        zh=f"{host} 返回了 HTTP 状态 {status}，{then}。",
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


@contextmanager
def _as_source_errors(budget: Budget) -> Iterator[None]:
    """What the connection reports, as one sentence for a person."""
    host = budget.host
    try:
        yield
    except httpcore.TimeoutException as error:
        raise budget.spent() from error
    except socket.gaierror as error:
        raise SourceError(
            f"{host} was not found; check the address and this machine's network.",
            zh=f"找不到 {host}，请检查网址和本机的网络。",
        ) from error
    except httpcore.RemoteProtocolError as error:
        if getattr(error.args[0], "error_status_hint", 0) == 431:  # h11's, for headers without an end
            raise budget.headers_too_long() from error
        raise broken_off(host) from error
    except (httpcore.ProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
        raise broken_off(host) from error
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

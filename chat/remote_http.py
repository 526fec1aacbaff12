"""One request to a chat server, which ends at once when nobody wants its answer any more.

httpx reads in a thread of its own, so that whoever waits for an answer can look up every `POLL_S` while the server is
silent; closing shuts the connection down, and the thread with it. Only a connection that is still being opened lives on
until it is open or its time limit ends.

Covered: http and https, certificates checked, no redirects followed (a key would travel along), bytes counted.
Not covered: proxies, HTTP/2. A connection serves one request.
"""

from __future__ import annotations

import email.utils
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from chat.bilingual import Bilingual, told
from chat.sse import words_of
from errors import AppError, InputError, ModelError

POLL_S = 0.05
"""How long a wait may ignore a cancel."""
_CLOSING_S = 1.0
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
_AGAIN = frozenset({429, 500, 502, 503, 504})
_TOO_LONG = re.compile(
    r"context (?:length|size|window)|(?:model|prompt|input|sequence) length|max_model_len|reduce the length"
    r"|(?:prompt|input|request) (?:is )?too (?:long|large)|too many tokens|`inputs`",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the app is with a server."""

    connect_s: float = 10.0
    silence_s: float = 120.0
    """The longest wait for the next byte, the first one included: a busy server lets people queue."""
    tries: int = 4
    first_wait_s: float = 0.5
    """Before the second try; doubled before each further one."""
    longest_wait_s: float = 20.0
    """A server that asks for a longer wait is not asked again; the person is told when to."""
    answer_bytes: int = 64 * 2**20
    answer_characters: int = 1_000_000


class Unavailable(ModelError):
    """The server could not be asked. Where `again`, another try may do, after at least `after` seconds."""

    def __init__(self, message: str, again: bool = True, after: float = 0.0, *, zh: str = "") -> None:
        super().__init__(message, zh=zh)
        self.again = again
        self.after = after


@dataclass(frozen=True, slots=True)
class Head:
    """How an answer begins."""

    status: int
    content_type: str
    """In lower case, without parameters."""
    retry_after_s: float
    """0 where the server names no time."""


class Client:
    """Sends requests to one server. `key` goes nowhere but into the header of each."""

    def __init__(self, host: str, key: str, limits: Limits, secure: bool) -> None:
        self.host = host
        self.limits = limits
        self._secure = secure
        self._headers = {
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "groundchat",
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._lock = threading.Lock()
        self._httpx: httpx.Client | None = None

    def open(self, method: str, url: str, payload: Mapping[str, Any] | None = None) -> Exchange:
        """Begin a request; use it in a `with` block."""
        body = None if payload is None else json.dumps(payload).encode("ascii")
        return Exchange(self._client(), self.host, self.limits, self._request(method, url, body))

    def _request(self, method: str, url: str, body: bytes | None) -> httpx.Request:
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        return httpx.Request(method, url, headers=headers, content=body)

    def _client(self) -> httpx.Client:
        with self._lock:  # made when it is needed, and certificates read where they are: that takes a while
            if self._httpx is None:
                self._httpx = httpx.Client(
                    timeout=httpx.Timeout(self.limits.silence_s, connect=self.limits.connect_s),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
                    verify=httpx.create_ssl_context() if self._secure else False,
                    follow_redirects=False,
                    trust_env=False,
                )
            return self._httpx


class Exchange:
    """One request and its answer."""

    def __init__(self, client: httpx.Client, host: str, limits: Limits, request: httpx.Request) -> None:
        self._client = client
        self._host = host
        self._limits = limits
        self._request = request
        self._request.extensions = {"timeout": client.timeout.as_dict(), "trace": self._trace}
        self._said: queue.SimpleQueue[Head | bytes | Exception | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="remote-answer", daemon=True)

    def __enter__(self) -> Exchange:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def pieces(self) -> Iterator[Head | bytes | None]:
        """The head, then the bytes of the body; None whenever the server was silent for `POLL_S`.

        Raises `Unavailable` when the connection fails.
        """
        while True:
            try:
                said = self._said.get(timeout=POLL_S)
            except queue.Empty:
                yield None
                continue
            if said is None:
                return
            if isinstance(said, Exception):
                raise said
            yield said

    def close(self) -> None:
        """Hang up. The connection is closed when this returns, or when it is first opened."""
        with self._lock:
            self._closed = True
            connection = self._socket
        if connection is not None:
            with suppress(OSError):  # closed already, or in the middle of a TLS handshake
                connection.shutdown(socket.SHUT_RDWR)
                self._thread.join(_CLOSING_S)

    def _run(self) -> None:
        try:
            response = self._client.send(self._request, stream=True)
            try:
                self._said.put(_head(response))
                size = 0
                for piece in response.iter_bytes():
                    if self._closed:  # a server that writes fast enough is read from even after the shutdown
                        return
                    size += len(piece)
                    if size > self._limits.answer_bytes:
                        self._said.put(_too_much(self._host))
                        return
                    self._said.put(piece)
            finally:
                response.close()
            self._said.put(None)
        except httpx.HTTPError as error:
            self._said.put(self._fault(error))
        except Exception as error:  # handed to the waiting thread, which raises it
            self._said.put(error)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx at every step; keeps the socket, so that `close` can end a wait on it."""
        if event not in _CONNECTED:
            return
        with self._lock:
            self._socket = info["return_value"].get_extra_info("socket")
            if self._closed:
                info["return_value"].close()
                raise httpx.ConnectError("closed while it was opened")

    def _fault(self, error: httpx.HTTPError) -> Unavailable:
        """What the connection reports, as one sentence; nothing of the request is in it."""
        says, again = next((says, again) for kind, says, again in _FAULTS if isinstance(error, kind))
        if isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            says, again = _UNTRUSTED, False
        says = says.filled(limits=self._limits)
        return Unavailable(f"{self._host} {says}.", again, zh=f"{self._host} {says.told('zh')}。")


_UNTRUSTED = Bilingual(
    "has no valid certificate, so it is not trusted; check the address", zh="没有有效的证书，不可信任；请检查地址"
)
_FAULTS: tuple[tuple[type[httpx.HTTPError], Bilingual, bool], ...] = (
    (
        httpx.ConnectTimeout,
        Bilingual(
            "could not be reached within {limits.connect_s:g} s; check that the server runs and that the address is "
            "right",
            zh="在 {limits.connect_s:g} 秒内无法连接；请确认服务器在运行、地址正确",
        ),
        True,
    ),
    (
        httpx.ConnectError,
        Bilingual(
            "could not be reached; check that the server runs and that the address is right",
            zh="无法连接；请确认服务器在运行、地址正确",
        ),
        True,
    ),
    (
        httpx.ReadTimeout,
        Bilingual(
            "was silent for {limits.silence_s:g} s; try again later",
            zh="有 {limits.silence_s:g} 秒没有回应；请稍后再试",
        ),
        False,
    ),
    (httpx.HTTPError, Bilingual("broke off the connection; try again later", zh="中断了连接；请稍后再试"), True),
)


def base_of(address: str) -> httpx.URL:
    """The address that `/models` and `/chat/completions` are added to. Raises `InputError`.

    Without a path it gets `/v1`; a path is left as it is, but for a slash at its end.
    """
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL as error:
        raise InputError(
            "The server's address is malformed; give one such as http://localhost:8000/v1.",
            zh="服务器地址格式不对；请给出形如 http://localhost:8000/v1 的地址。",
        ) from error
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 2**16:
        raise InputError(
            "The server's address is not a http or https one; give one such as http://localhost:8000/v1.",
            zh="服务器地址不是以 http 或 https 开头的；请给出形如 http://localhost:8000/v1 的地址。",
        )
    if re.search(r"[\s%<>]", url.host):
        raise InputError(
            "The server's address names a host that cannot be one; check it.", zh="服务器地址中的主机名无效；请检查。"
        )
    if url.userinfo:
        raise InputError(
            f"The address of {url.host} holds a user name or password; leave it out and give the key.",
            zh=f"{url.host} 的地址含有用户名或密码；请将其去掉，改为给出密钥。",
        )
    if url.query or url.fragment:
        raise InputError(
            f"The address of {url.host} ends in ? or #; leave that part out.",
            zh=f"{url.host} 的地址以 ? 或 # 结尾；请去掉那一部分。",
        )
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return url.copy_with(path=path or "/v1")


def check_key(key: str, host: str) -> str:
    """The key itself. Raises `InputError` where it cannot stand in a header, which would show it in an error."""
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise InputError(
            f"The key for {host} holds a space, a line break or a letter that no key has; copy it once more.",
            zh=f"{host} 的密钥含有空格、换行或密钥中不会出现的字符；请重新复制。",
        )
    return key


def refusal(host: str, head: Head, body: bytes, model: str, key: str) -> AppError:
    """What an answer that is none means, as one sentence. Where another try may do it is `Unavailable`."""
    status, words = head.status, _words(body, key)
    quoted = f" (“{words}”)" if words else ""
    if status in _AGAIN:
        return _in_trouble(host, head, quoted)
    if 300 <= status < 400:
        return ModelError(
            f"{host} redirects to another address; give that one as the server's address.",
            zh=f"{host} 重定向到另一个地址；请把那个地址作为服务器地址。",
        )
    called: str = f"“{model}”" if model else Bilingual("the model", zh="该模型")
    if status in (400, 413, 422) and _TOO_LONG.search(words):
        return InputError(
            f"The conversation is too long for {called} at {host}{quoted}; shorten the message or begin a new one.",
            zh=f"对 {host} 上的{told(called, 'zh')}来说，对话太长{quoted}；请缩短消息，或开始新对话。",
        )
    refused = _NO_KEY if status == 401 and not key else _REFUSALS.get(status, _REFUSED)
    says = refused.filled(status=status, quoted=quoted, called=called)
    return ModelError(f"{host} {says}.", zh=f"{host} {says.told('zh')}。")


def _in_trouble(host: str, head: Head, quoted: str) -> Unavailable:
    """The server is busy or failing; another try may do."""
    wait = f"{head.retry_after_s:.0f}"
    later = Bilingual(f"in {wait} s", zh=f" {wait} 秒后") if head.retry_after_s else Bilingual("later", zh="稍后")
    says = (_BUSY if head.status == 429 else _FAILING).filled(status=head.status, quoted=quoted, later=later)
    return Unavailable(f"{host} {says}.", after=head.retry_after_s, zh=f"{host} {says.told('zh')}。")


_BUSY = Bilingual("is busy; try again {later}", zh="正忙；请{later}再试")
_FAILING = Bilingual(
    "answered with HTTP status {status}{quoted}; try again {later}", zh="返回 HTTP 状态 {status}{quoted}；请{later}再试"
)
_NO_KEY = Bilingual("asks for a key, and none is set; give the right one", zh="需要密钥，而尚未设置；请给出正确的密钥")
_REFUSALS: dict[int, Bilingual] = {
    401: Bilingual("does not accept the key; give the right one", zh="不接受此密钥；请给出正确的密钥"),
    403: Bilingual(
        "does not let this key use {called}; give another key or choose another model",
        zh="不允许此密钥使用{called}；请换一个密钥，或换一个模型",
    ),
    404: Bilingual(
        "has no model {called} or no chat at this address{quoted}; check both",
        zh="没有模型{called}，或此地址没有聊天服务{quoted}；请检查二者",
    ),
}
_REFUSED = Bilingual(
    "refused the request with HTTP status {status}{quoted}; check the server's settings",
    zh="拒绝了请求，HTTP 状态 {status}{quoted}；请检查服务器的设置",
)


def _words(body: bytes, key: str) -> str:
    """What the server says of it, without the key; a page of HTML says nothing."""
    try:
        return words_of(json.loads(body), key)
    except (ValueError, RecursionError):
        return ""


def _too_much(host: str) -> ModelError:
    return ModelError(
        f"{host} sent more than any answer holds and was cut off; lower the length of answers.",
        zh=f"{host} 发来的内容超出了任何回答的长度，已被截断；请减小回答的长度。",
    )


def _head(response: httpx.Response) -> Head:
    return Head(
        response.status_code,
        response.headers.get("content-type", "").partition(";")[0].strip().lower(),
        _seconds(response.headers.get("retry-after", "")),
    )


def _seconds(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3); 0 where it is neither."""
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0

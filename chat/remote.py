"""A chat model on a server: vLLM, SGLang, TGI, llama-server, `transformers serve` or another that speaks OpenAI's API.

    model = RemoteModel("http://localhost:8000/v1", "Qwen/Qwen3-8B", key)
    model.load()                    # asks the server what it is and what it has
    for chunk in model.stream(request): ...

The server writes; this end keeps its manners. A cancel or a reader who goes away closes the connection within 0.1 s,
which frees the server's slot. A server that is busy or not there is asked again, later and later, but never after the
first word of an answer: one that dies in the middle leaves what it wrote, and a `ModelError` says so. The key goes into
the request's header and nowhere else.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from chat import remote_servers as servers
from chat.base import SILENT, ChatRequest, Chunk, Finish
from chat.bilingual import Bilingual, listed
from chat.remote_http import POLL_S, Client, Exchange, Head, Limits, Unavailable, base_of, check_key, refusal
from chat.remote_prompt import Fitted, fit
from chat.remote_servers import SERVERS, Server
from chat.sse import Answer, StreamedAnswer, WholeAnswer
from errors import InputError, ModelError
from retrieval.rerank import THRESHOLD

_ASKING_S = 15.0
"""How long the server may take to say what it is."""
_LONGEST_REPLY = 2**20
"""Bytes of what it says then, and of a refusal."""
_GRACE_S = 1.0
"""How long an answer that has ended may stay open: some servers never close."""
_READERS: Mapping[str, Callable[[str, str], Answer]] = {
    "text/event-stream": StreamedAnswer,
    "": StreamedAnswer,
    "application/json": WholeAnswer,
}
"""How the answer is read, by its content type."""

T = TypeVar("T")


class _Cancelled(Exception):
    """Nobody wants the answer any more."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the server turned out to be."""

    server: Server
    model: str
    context: int
    """Tokens it reads at once, 0 where it does not say."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """A whole answer that is not a chat completion."""

    head: Head
    body: bytes

    @property
    def said(self) -> Mapping[str, Any]:
        """The JSON object in it; empty where there is none."""
        try:
            said = json.loads(self.body) if self.head.status == 200 else {}
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


def is_address(name: str) -> bool:
    """Whether a model's name is the address of a server."""
    return name.lower().startswith(("http://", "https://"))


class RemoteModel:
    """A model on a server as a chat engine. Several answers may be written at once.

    `base_url` may end in /v1 or be without a path. `model` may be empty where the server has only one. `server` is a
    key of `remote_servers.SERVERS`, `auto` finds out; `context` in tokens, 0 asks the server. The light constructor
    raises `InputError` for an address or a key that cannot be one.
    """

    least = THRESHOLD

    def __init__(
        self,
        base_url: str,
        model: str = "",
        key: str = "",
        *,
        server: str = "auto",
        context: int = 0,
        limits: Limits | None = None,
    ) -> None:
        base = base_of(base_url)
        self.model = model
        self.host = base.netloc.decode("ascii")
        self.limits = limits or Limits()
        self.offered: tuple[str, ...] = ()
        """The models that the server lists, once it was asked."""
        if server != "auto" and server not in SERVERS:
            raise InputError(
                f"There is no kind of server called “{server}”; use auto or {', '.join(SERVERS)}.",
                zh=f"没有名为“{server}”的服务器类型；请用 auto 或 {'、'.join(SERVERS)}。",
            )
        self._base = str(base)
        self._root = self._base.removesuffix("/v1")
        self._key = check_key(key, self.host)
        self._server = server
        self._context = context
        self._client = Client(self.host, self._key, self.limits, secure=base.scheme == "https")
        self._found: _Found | None = None

    @property
    def name(self) -> str:
        """The model's name at the server; the server's where it has only one and was not asked yet."""
        return self.model or (self._found.model if self._found else "") or self.host

    @property
    def loaded(self) -> bool:
        return self._found is not None

    @property
    def context(self) -> int:
        """Tokens it reads at once, prompt and answer together; 0 where nobody says."""
        return self._found.context if self._found else self._context

    def load(self, progress: Callable[[str], None] | None = None) -> None:
        """Ask the server what it is, and whether the model is there. Raises `ModelError`."""
        asking = Bilingual(f"Asking {self.host} for its models", zh=f"正在向 {self.host} 询问它的模型")
        if progress:
            progress(asking)
        for _ in self._find(threading.Event()):
            if progress:
                progress(asking)  # whoever gives up raises from it
        if progress:
            progress(Bilingual(f"{self.name} is ready", zh=f"{self.name} 已就绪"))

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """Write the answer; an empty chunk means that the server is silent.

        Raises `InputError` when the request cannot be put to this server, `ModelError` when the server fails; the
        chunks before that are what it had written.
        """
        try:
            found = self._found or (yield from self._find(request.cancel))
            fields = servers.sampling_fields(request.sampling, found.server, self.host)
            continues = found.server.continues if request.begun else None
            fitted = fit(
                request.messages,
                request.passages,
                begun=request.begun,
                continues=continues is not None,
                max_new_tokens=request.sampling.max_new_tokens,
                context=found.context,
            )
            for notice in fitted.notices:
                yield Chunk(notice=notice)
            if fitted.read:
                yield Chunk(read=fitted.read)
            payload = _payload(found.model, fitted, {**fields, **(continues or {})})
            yield from self._persistently(lambda: self._answer(payload, request), request.cancel)
        except _Cancelled:
            yield Chunk(finish=Finish.CANCELLED)

    def _persistently(
        self, once: Callable[[], Generator[Chunk, None, T]], cancel: threading.Event
    ) -> Generator[Chunk, None, T]:
        """What `once` returns, tried again while the server is busy or away. Raises its last error."""
        pause, tries = self.limits.first_wait_s, self.limits.tries
        while True:
            tries -= 1
            try:
                return (yield from once())
            except Unavailable as fault:
                if not (tries > 0 and fault.again and fault.after <= self.limits.longest_wait_s):
                    raise
                until = time.monotonic() + min(max(pause, fault.after), self.limits.longest_wait_s)
            while (left := until - time.monotonic()) > 0:
                if cancel.wait(min(POLL_S, left)):
                    raise _Cancelled
                yield Chunk()
            pause *= 2

    def _pieces(self, exchange: Exchange, cancel: threading.Event) -> Iterator[Head | bytes | None]:
        for piece in exchange.pieces():
            if cancel.is_set():
                raise _Cancelled
            yield piece

    def _answer(self, payload: Mapping[str, Any], request: ChatRequest) -> Generator[Chunk, None, None]:
        """One try. Raises `Unavailable` only while nothing was shown."""
        written, begun, cancel = 0, request.begun, request.cancel
        if cancel.is_set():
            raise _Cancelled
        try:
            with self._client.open("POST", f"{self._base}/chat/completions", payload) as exchange:
                for text, finish in self._texts(exchange, payload.get("model", ""), cancel):
                    if len(text) > (left := self.limits.answer_characters - written):
                        yield Chunk(text=text[:left])
                        raise ModelError(
                            f"{self.host} does not end its answer, so it was cut off here; ask for less at once.",
                            zh=f"{self.host} 的回答没有尽头，已在此截断；请一次少问一些。",
                        )
                    written += len(text)
                    silent = finish is Finish.STOP and not (begun or written)
                    yield Chunk(text=text, finish=finish, notice=SILENT if silent else "")
        except Unavailable as fault:
            if not written:
                raise
            broken = self._broken_off() if fault.again else ModelError(str(fault), zh=fault.told("zh"))
        else:
            return
        raise broken

    def _broken_off(self) -> ModelError:
        return ModelError(
            f"{self.host} broke off in the middle of the answer; what it had written is kept: go on with it, or ask "
            "again.",
            zh=f"{self.host} 在回答中途断开；已写的内容保留，可接着写，或重新提问。",
        )

    def _texts(self, exchange: Exchange, model: str, cancel: threading.Event) -> Iterator[tuple[str, Finish | None]]:
        """The answer's text as it comes, empty while the server is silent; last the reason why it ended."""
        answer: Answer | None = None
        refused: Head | None = None
        body = bytearray()
        until = math.inf
        for piece in self._pieces(exchange, cancel):
            if isinstance(piece, Head):
                answer, refused = self._reader(piece), piece if piece.status != 200 else None
            elif piece is None or answer is None:
                yield "", None
            elif refused is not None:
                body += piece[: _LONGEST_REPLY - len(body)]
            else:
                for text in answer.push(piece):
                    yield text, None
            if answer is not None and answer.finish is not None:
                until = min(until, time.monotonic() + _GRACE_S)
                if answer.done or time.monotonic() > until:
                    break
        if refused is not None:
            raise refusal(self.host, refused, bytes(body), model, self._key)
        rest = answer.end() if answer is not None else ""
        if answer is None or answer.finish is None:
            if rest:
                yield rest, None
            raise Unavailable(
                f"{self.host} ended the connection before the answer was complete; try again later.",
                zh=f"{self.host} 在回答完成之前断开了连接；请稍后再试。",
            )
        yield rest, answer.finish

    def _reader(self, head: Head) -> Answer:
        reader = StreamedAnswer if head.status != 200 else _READERS.get(head.content_type)
        if reader is None:
            raise ModelError(
                f"{self.host} answered with {head.content_type} instead of a chat's stream; check the server's "
                "address.",
                zh=f"{self.host} 返回了 {head.content_type}，而不是聊天的数据流；请检查服务器地址。",
            )
        return reader(self.host, self._key)

    def _find(self, cancel: threading.Event) -> Generator[Chunk, None, _Found]:
        """Ask the server what it is. Raises `ModelError` where it is not there or has not got the model."""
        listed = yield from self._persistently(lambda: self._listed(cancel), cancel)
        cards = _cards(listed.said)
        self.offered = tuple(str(card["id"]) for card in cards or ())
        server, context = yield from self._kind(cards, cancel)
        model = self._chosen(server, cards)
        card = next((card for card in cards or () if card.get("id") == model), {})
        context = self._context or servers.context_in(card, ("max_model_len",)) or context
        self._found = _Found(server, model, context)
        return self._found

    def _listed(self, cancel: threading.Event) -> Generator[Chunk, None, _Reply]:
        """The list of models. Some servers have none, or fail over it; that alone is no reason not to use them."""
        reply = yield from self._ask(f"{self._base}/models", cancel)
        if reply.head.status in _NO_KEY or reply.head.status in _NOT_YET:
            raise refusal(self.host, reply.head, reply.body, self.model, self._key)
        return reply

    def _kind(
        self, cards: Sequence[Mapping[str, Any]] | None, cancel: threading.Event
    ) -> Generator[Chunk, None, tuple[Server, int]]:
        """The kind of server, and the context it tells beside its list of models (0 where it tells none)."""
        owner = str(cards[0].get("owned_by", "")) if cards else ""
        kind = servers.OWNERS.get(owner, "") if self._server == "auto" else self._server
        for probe in () if kind else servers.PROBES:
            if probe.fits((yield from self._probed(probe.path, cancel))):
                kind = probe.server
                break
        server = SERVERS[kind] if kind else servers.UNKNOWN
        if server.name not in servers.CONTEXTS:
            return server, 0
        path, keys = servers.CONTEXTS[server.name]
        return server, servers.context_in((yield from self._probed(path, cancel)), keys)

    def _probed(self, path: str, cancel: threading.Event) -> Generator[Chunk, None, Mapping[str, Any]]:
        """What stands at a path that only some servers have."""
        try:
            return (yield from self._ask(self._root + path, cancel)).said
        except Unavailable:
            return {}

    def _chosen(self, server: Server, cards: Sequence[Mapping[str, Any]] | None) -> str:
        """The model's name at the server. Raises `ModelError` where it is not there or not clear which is meant."""
        names = [str(card["id"]) for card in cards or ()]
        if self.model:
            if names and server.lists_all and self.model not in names:
                known = _few(names)
                raise ModelError(
                    f"{self.host} has no model “{self.model}”; name one of {known}.",
                    zh=f"{self.host} 没有模型“{self.model}”；请指定其中之一：{known.told('zh')}。",
                )
            return self.model
        if len(names) == 1:
            return names[0]
        if len(names) > 1:
            known = _few(names)
            raise ModelError(
                f"{self.host} has several models; name one of {known}.",
                zh=f"{self.host} 有多个模型；请指定其中之一：{known.told('zh')}。",
            )
        if server.needs_model:
            raise ModelError(
                f"{self.host} does not say which models it has; name the one to use.",
                zh=f"{self.host} 没有说明它有哪些模型；请指定要用的模型。",
            )
        return ""

    def _ask(self, url: str, cancel: threading.Event) -> Generator[Chunk, None, _Reply]:
        """A small answer. Raises `Unavailable`."""
        head: Head | None = None
        body = bytearray()
        until = time.monotonic() + _ASKING_S
        with self._client.open("GET", url) as exchange:
            for piece in self._pieces(exchange, cancel):
                if isinstance(piece, Head):
                    head = piece
                elif piece is not None:
                    body += piece
                if len(body) > _LONGEST_REPLY:
                    break
                if time.monotonic() > until:
                    raise Unavailable(
                        f"{self.host} did not say within {_ASKING_S:g} s what it is; try again later.",
                        zh=f"{self.host} 在 {_ASKING_S:g} 秒内没有说明自己是什么服务器；请稍后再试。",
                    )
                yield Chunk()
        if head is None:
            raise Unavailable(
                f"{self.host} ended the connection without an answer; try again later.",
                zh=f"{self.host} 没有回答就断开了连接；请稍后再试。",
            )
        return _Reply(head, bytes(body))


_NO_KEY = frozenset({401, 403})
_NOT_YET = frozenset({429, 502, 503, 504})


_NAMED = 5
"""Models of a server that one sentence names."""


def _few(names: Sequence[str]) -> Bilingual:
    """The first of them, and how many more there are."""
    more = len(names) - _NAMED
    if more <= 0:
        return listed(names, "or", "或")
    return listed([*names[:_NAMED], Bilingual(f"{more} more", zh=f"另外 {more} 个")], "or", "或")


def _payload(model: str, fitted: Fitted, fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {"model": model} if model else {}
    return {**named, "messages": list(fitted.messages), "max_tokens": fitted.room, "stream": True, **fields}


def _cards(said: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The entries of a list of models; None where it is none."""
    data = said.get("data")
    if not isinstance(data, list):
        return None
    return [card for card in data if isinstance(card, dict) and isinstance(card.get("id"), str)]

"""The body of an answer, decompressed within a limit: what is over it is never inflated, nor kept."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpcore

from errors import SourceError
from retrieval.connection import Budget

_MOST_MEMBERS = 1000
"""Of a gzip body: empty ones cost time and give nothing."""


class BrokenOffError(SourceError):
    """The answer broke off or was garbled on its way; a second try may do."""


def broken_off(host: str) -> BrokenOffError:
    return BrokenOffError(f"{host} broke off its answer; try again later.", zh=f"{host} 的回应中断了，请稍后再试。")


def header(response: httpcore.Response, name: bytes) -> str:
    """What the answer says under this (lower-case) name, several lines joined by commas (RFC 9110, 5.3), or nothing."""
    lines = (value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name)
    return ", ".join(line for line in lines if line)


def pieces(response: httpcore.Response, budget: Budget) -> Iterator[bytes]:
    """The decompressed body, piece by piece. Raises `SourceError` before it grows longer than the budget's limit."""
    encoding = header(response, b"content-encoding").lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise SourceError(
            f"{budget.host} sent its answer in an encoding that was not asked for; try again later.",
            zh=f"{budget.host} 发来的内容采用了未要求的编码，请稍后再试。",
        )
    length = header(response, b"content-length")
    if length.isdecimal() and int(length[:20]) > budget.limit:
        raise budget.too_long()
    inflate = _Gunzip(budget.host) if "gzip" in encoding else _identity
    left = budget.limit
    for arrived in response.iter_stream():
        for piece in inflate(arrived, left + 1):
            left -= len(piece)
            if left < 0:
                raise budget.too_long()
            yield piece
    if isinstance(inflate, _Gunzip) and not inflate.complete:
        raise broken_off(budget.host)


def _identity(arrived: bytes, most: int) -> Iterator[bytes]:
    yield arrived


class _Gunzip:
    """A body of gzip members one after the other (RFC 1952, 2.2)."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._member = zlib.decompressobj(wbits=31)
        self._members = 1
        self._begun = False

    @property
    def complete(self) -> bool:
        return self._member.eof or not self._begun

    def __call__(self, arrived: bytes, most: int) -> Iterator[bytes]:
        """At most `most` (above 0) decompressed bytes of what arrived. What follows a member must be another one."""
        self._begun = True
        while most > 0:
            if self._member.eof:
                arrived = arrived.lstrip(b"\0")  # padding
                if not arrived:
                    return
                self._next_member()
            try:
                piece = self._member.decompress(arrived, most)
            except zlib.error as error:
                raise broken_off(self._host) from error
            if piece:
                yield piece
            most -= len(piece)
            arrived = self._member.unused_data
            if not arrived:
                return

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise broken_off(self._host)
        self._member = zlib.decompressobj(wbits=31)

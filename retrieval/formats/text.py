"""Plain text: read in pieces of about a megabyte that end with a paragraph, so that any size takes little memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from retrieval.base import Part
from retrieval.formats.base import File
from retrieval.formats.encoding import Chunks, detect, texts

PIECE = 2**20
"""Characters of a piece; one without a line end or a space for twice as long is cut where it is."""
_READ = 2**18
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


def title(file: File) -> str:
    return ""


def parts(file: File, start: int) -> Iterator[Part]:
    return islice((Part(text, continues=goes_on, done=done) for text, goes_on, done in pieces(file)), start, None)


def chunks_of(file: File) -> Chunks:
    def chunks() -> Iterator[bytes]:
        with file.path.open("rb") as stream:
            while chunk := stream.read(_READ):
                yield chunk

    return chunks


def pieces(file: File, size: int = PIECE) -> Iterator[tuple[str, bool, float]]:
    """(text, whether it begins within a paragraph, share of the file read with it) from the beginning to the end."""
    chunks = chunks_of(file)
    encoding = detect(chunks, file.name)
    waiting, goes_on, read = "", False, 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for chunk in chunks():
            read += len(chunk)
            yield chunk

    for text in texts(counted, encoding):
        waiting += text
        while len(waiting) >= 2 * size:
            cut, whole = _end(waiting, size)
            yield waiting[:cut], goes_on, min(1.0, read / file.size)
            waiting, goes_on = waiting[cut:], not whole
    if waiting:
        yield waiting, goes_on, 1.0


def _end(text: str, size: int) -> tuple[int, bool]:
    """(where a piece of about `size` ends, whether a paragraph ends there): best after a blank line, else a line."""
    blank = max((match.end() for match in _BLANK_LINE.finditer(text, size // 2, size)), default=0)
    if blank:
        return blank, True
    for mark in ("\n", "。", ". ", " "):
        cut = text.rfind(mark, size // 2, size)
        if cut >= 0:
            return cut + len(mark), False
    return size, False

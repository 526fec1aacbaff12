"""CSV and TSV: each record as a line of “Header: cell; Header: cell”, whatever the delimiter, with or without a header.

Quoting as in RFC 4180; delimiters: comma, semicolon, tab, vertical bar.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from statistics import mode
from typing import Any

from errors import DocumentError
from retrieval.base import Part
from retrieval.formats.base import PART_CHARS, File
from retrieval.formats.blocks import has_header, one_line, row
from retrieval.formats.encoding import detect, texts
from retrieval.formats.text import chunks_of

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_MOST_FIELD = 2**20


def title(file: File) -> str:
    return ""


def parts(file: File, start: int) -> Iterator[Part]:
    return islice(_parts(file), start, None)


def _parts(file: File) -> Iterator[Part]:
    chunks = chunks_of(file)
    encoding = detect(chunks, file.name)
    read = 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for chunk in chunks():
            read += len(chunk)
            yield chunk

    waiting: list[str] = []
    size = 0
    for record in _records(_lines(texts(counted, encoding)), file.name):
        waiting.append(record)
        size += len(record)
        if size >= PART_CHARS:
            yield Part("\n".join(waiting), done=min(1.0, read / file.size))
            waiting, size = [], 0
    if waiting:
        yield Part("\n".join(waiting), done=1.0)


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines with their ends, none longer than a field may be."""
    held = ""
    for piece in pieces:
        *lines, held = (held + piece).split("\n")
        yield from (line + "\n" for line in lines)
        while len(held) >= _MOST_FIELD:
            yield held[:_MOST_FIELD]
            held = held[_MOST_FIELD:]
    if held:
        yield held


def _records(lines: Iterator[str], name: str) -> Iterator[str]:
    """Each record as one line."""
    sample = list(islice(lines, _SAMPLE_LINES))
    delimiter = _delimiter(sample)
    csv.field_size_limit(2 * _MOST_FIELD)
    reader = csv.reader(chain(sample, lines), delimiter=delimiter, skipinitialspace=True)
    records = ([one_line(cell) for cell in cells] for cells in _readable(reader, name))
    filled = (cells for cells in records if any(cells))
    first = list(islice(filled, _SAMPLE_LINES))
    header: list[str] = first.pop(0) if first and has_header(first, fewest=2) else []
    for cells in chain(first, filled):
        yield row(header, cells)


def _readable(reader: Any, name: str) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise DocumentError(
            f"“{name}” cannot be read as a table near line {reader.line_num} ({error}); close the quotes there.",
            zh=f"“{name}”在第 {reader.line_num} 行附近无法按表格读取（{error}），请检查那里的引号是否成对。",
        ) from error


def _delimiter(sample: list[str]) -> str:
    """The delimiter with which most of the sample's records have the same number of fields, more than one."""

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [len(cells) for cells in csv.reader(sample, delimiter=delimiter, skipinitialspace=True) if cells]
        usual = mode(widths) if widths else 0
        return (widths.count(usual), usual) if usual > 1 else (0, 0)

    return max(_DELIMITERS, key=fit)

"""Records from files of every kind that training data comes in, each with its line.

The kind is told by the file's beginning, not by its name: JSON Lines or one JSON array, either gzipped, and Parquet.
JSON is read strictly: UTF-8, no key twice, no NaN.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from errors import InputError
from finetune.faults import Fault

LONGEST_LINE = 16 * 2**20
"""Bytes of a line; a longer one is no conversation."""
_GZIP, _PARQUET, _BOM = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".parquet", ".ndjson")
"""What is read of a folder."""


class _Lines(Protocol):
    """A file, inflated or as it is."""

    def readline(self, size: int, /) -> bytes: ...

    def read(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as it was read."""

    line: int
    value: Any


@dataclass(frozen=True, slots=True)
class File:
    """A file to read, and what it is called in messages."""

    path: Path
    name: str

    def sha256(self) -> str:
        """Empty where the file cannot be read, which `records` tells of."""
        try:
            with self.path.open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError:
            return ""


def files_in(path: Path) -> tuple[File, ...]:
    """The file at `path`, or the files of the folder there and those in it, in the order of their names.

    Raises `InputError` when there is nothing to read.
    """
    if path.is_file():
        return (File(path, str(path)),)
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.name.lower().endswith(SUFFIXES)
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        raise InputError(
            f"The folder {path} holds no file that ends in {', '.join(SUFFIXES)}; name the files themselves.",
            zh=f"文件夹 {path} 里没有以 {', '.join(SUFFIXES)} 结尾的文件；请直接写出文件名。",
        )
    return tuple(File(file, str(file)) for file in found)


def records(file: File) -> Iterator[Record | Fault]:
    """The records of a file and what is wrong with its lines, in their order. Empty lines are passed over."""
    try:
        with file.path.open("rb") as opened:
            start = opened.read(4)
            opened.seek(0)
            if start == _PARQUET:
                yield from _rows(file, opened)
            elif start.startswith(_GZIP):
                with gzip.GzipFile(fileobj=opened) as inflated:
                    yield from _json(file, inflated)
            else:
                yield from _json(file, opened)
    except OSError as error:
        yield _whole(file, f"it cannot be read ({error.strerror or error})", f"无法读取（{error.strerror or error}）")


def _whole(file: File, reason: str, zh: str) -> Fault:
    return Fault(file.name, 0, "", reason, zh)


def _json(file: File, opened: _Lines) -> Iterator[Record | Fault]:
    """JSON Lines, or the elements of one array."""
    line = 0
    begun = False
    try:
        for line, raw in _lines(opened):
            if line == 1 and raw[:2] in _UTF_16:
                yield Fault(file.name, 1, "", "it is UTF-16; save the file as UTF-8", "它是 UTF-16；请另存为 UTF-8")
                return
            raw = raw.removeprefix(_BOM) if line == 1 else raw
            if not raw.strip():
                continue
            if not begun and raw.lstrip()[:1] == b"[" and not _is_record_line(raw):
                yield from _array(file, line, raw + opened.read())
                return
            if not begun and raw.strip() == b"{":
                reason = "one JSON object goes over many lines; write each record on a line, or all as an array"
                yield Fault(file.name, line, "", reason, "一个 JSON 对象跨越多行；请每行写一条记录，或全部写成数组")
                return
            begun = True
            yield from _line(file, line, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield Fault(
            file.name,
            line + 1,
            "",
            f"the gzip file is damaged or ends too early here ({error}); fetch it anew",
            f"gzip 文件在此处损坏或提前结束（{error}）；请重新获取",
        )


def _is_record_line(raw: bytes) -> bool:
    """Whether a line that begins like an array is whole and holds no objects: then it is a faulty record."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return not any(isinstance(item, dict) for item in value)


def _lines(opened: _Lines) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of one that is too long, its beginning alone."""
    line = 0
    while raw := opened.readline(LONGEST_LINE + 1):
        line += 1
        yield line, raw
        while len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            raw = opened.readline(LONGEST_LINE + 1) or b"\n"


def _line(file: File, line: int, raw: bytes) -> Iterator[Record | Fault]:
    def fault(reason: str, zh: str, field: str = "") -> Fault:
        return Fault(file.name, line, field, reason, zh)

    if len(raw) > LONGEST_LINE:
        size = LONGEST_LINE // 2**20
        yield fault(f"the line is longer than {size} MiB", f"这一行超过 {size} MiB")
        return
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        at, byte = error.start + 1, raw[error.start]
        yield fault(f"byte {at} (0x{byte:02x}) is not UTF-8", f"第 {at} 个字节（0x{byte:02x}）不是 UTF-8")
        return
    yield from _parsed(text, line, fault)


def _parsed(text: str, line: int, fault: Callable[..., Fault]) -> Iterator[Record | Fault]:
    twice: list[str] = []
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, twice))
    except json.JSONDecodeError as error:
        yield fault(
            f"it is not JSON: {error.msg.lower()} at character {error.pos + 1}",
            f"不是 JSON：第 {error.pos + 1} 个字符处出错（{error.msg}）",
        )
        return
    except (RecursionError, ValueError) as error:  # nested without end, a number of thousands of digits
        yield fault(f"it is not JSON that can be read ({type(error).__name__})", "不是可以读取的 JSON")
        return
    yield from _strict(value, twice, line, fault)


def _strict(value: Any, twice: list[str], line: int, fault: Callable[..., Fault]) -> Iterator[Record | Fault]:
    """The record, or what JSON forbids in it although Python reads it."""
    wrong = [fault("the key is there twice", "此键出现两次", key) for key in dict.fromkeys(twice)]
    wrong += [fault("it is no number", "不是数", field) for field in _not_numbers(value, "")]
    if wrong:
        yield from wrong
    else:
        yield Record(line, value)


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice.extend(key for key in found if keys.count(key) > 1)
    return found


def _not_numbers(value: Any, field: str) -> Iterator[str]:
    """Fields that hold NaN or an infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        yield field
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_numbers(item, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _not_numbers(item, f"{field}[{at}]")


def _array(file: File, first: int, raw: bytes) -> Iterator[Record | Fault]:
    """The elements of one JSON array that begins on line `first`, each with the line that it begins on.

    Behind an element that cannot be read nothing can be found any more.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first + raw.count(b"\n", 0, error.start)
        byte = raw[error.start]
        yield Fault(file.name, line, "", f"byte 0x{byte:02x} is not UTF-8", f"字节 0x{byte:02x} 不是 UTF-8")
        return
    twice: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: _object(pairs, twice))
    at = text.index("[") + 1
    line, counted, behind = first, 0, False
    while True:
        at = _past_space(text, at)
        line, counted = line + text.count("\n", counted, at), at

        def fault(reason: str, zh: str, field: str = "", here: int = line) -> Fault:
            return Fault(file.name, here, field, reason, zh)

        if text[at : at + 1] == "]":
            if text[at + 1 :].strip():
                yield fault("something follows the end of the array", "数组结束后还有内容")
            return
        if behind:
            if text[at : at + 1] != ",":
                yield fault("the array breaks off or lacks a comma here", "数组在此处中断或缺少逗号")
                return
            at, behind = at + 1, False
            continue
        twice.clear()
        try:
            value, at = decoder.raw_decode(text, at)
        except (RecursionError, ValueError) as error:
            said = f": {error.msg.lower()}" if isinstance(error, json.JSONDecodeError) else ""
            yield fault(
                f"this element is not JSON{said}; nothing behind it could be read",
                "此元素不是 JSON；其后的内容无法读取",
            )
            return
        yield from _strict(value, twice, line, fault)
        behind = True


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _rows(file: File, opened: BinaryIO) -> Iterator[Record | Fault]:
    """The rows of a Parquet file, by their numbers."""
    import pyarrow
    from pyarrow import parquet

    row = 0

    def fault(reason: str, zh: str, field: str = "") -> Fault:
        return Fault(file.name, row, field, reason, zh)

    try:
        for batch in parquet.ParquetFile(opened).iter_batches(batch_size=1024):
            for value in batch.to_pylist():
                row += 1
                yield from _strict(value, [], row, fault)
    except (pyarrow.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0]
        row += 1
        yield fault(f"the Parquet file cannot be read on ({said})", f"Parquet 文件无法继续读取（{said}）")

"""A dump as bytes of XML from any place on: plain, bzip2 or gzip, of one compressed stream or of many in a row.

A place is the offset of a compressed stream in the file, and how many bytes of it are past once it is decompressed. In
a multistream dump (a stream for a hundred pages) going on costs one stream; in a dump of one stream everything before
the place is decompressed once more, which is far quicker than reading it.

Format: https://meta.wikimedia.org/wiki/Data_dumps/Dump_format.
"""

from __future__ import annotations

import bz2
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from errors import SourceError

_BLOCK = 2**17
"""Compressed bytes that are read at once."""
_MOST = 2**18
"""Bytes that are decompressed at once."""
_MAGIC = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading goes on."""

    stream: int = 0
    """Offset of the compressed stream in the file, in bytes; 0 where nothing is compressed."""
    past: int = 0
    """Bytes of it that are past, decompressed."""


class _Decompressor(Protocol):
    """What `bz2` and `zlib` have in common, as far as it is needed here."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def more(self, data: bytes) -> bytes:
        """At most `_MOST` bytes, of `data` and of what it was given before."""
        ...

    @property
    def hungry(self) -> bool:
        """Whether it can give nothing more without more data."""
        ...


class _Bzip2:
    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    def more(self, data: bytes) -> bytes:
        return self._inner.decompress(data, _MOST)


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return not self._inner.unconsumed_tail

    def more(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _MOST)


_COMPRESSIONS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = ((b"BZh", _Bzip2), (b"\x1f\x8b", _Gzip))
_OTHERS = (
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"PK\x03\x04", "zip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


class DumpFile:
    """The XML of a dump, in pieces. Raises `SourceError`: it cannot be read, is damaged, or ends in the middle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.read = 0
        """Bytes of the file that have been read."""
        self._starts: deque[tuple[int, int]] = deque()
        """(bytes since the place that was begun at, offset in the file) where compressed streams begin."""

    @property
    def done(self) -> float:
        """Share of the file that has been read, 0..1."""
        return min(1.0, self.read / self.size) if self.size else 0.0

    def pieces(self, place: Place) -> Iterator[bytes]:
        """The XML from the place on, in pieces of at most a quarter of a megabyte."""
        try:
            self.size = self.path.stat().st_size
            with self.path.open("rb") as file:
                kind = self._compression(file.read(_MAGIC))
                file.seek(place.stream if kind else place.past)
                if kind is None:
                    self._starts = deque([(-place.past, 0)])
                    yield from self._plain(file)
                else:
                    yield from self._streams(file, kind, place)
        except OSError as error:
            if error.errno is None:  # how bz2 tells of what is no bzip2
                raise self._damaged() from error
            raise SourceError(
                f"The dump {self.path} cannot be read ({error.strerror}); give one that is there.",
                zh=f"无法读取转储文件 {self.path}（{error.strerror}），请指定一个存在的文件。",
            ) from error
        except (EOFError, ValueError, zlib.error) as error:
            raise self._damaged() from error

    def place(self, past: int) -> Place:
        """The place of what stands `past` bytes behind where the reading began; no earlier one is asked for later."""
        while len(self._starts) > 1 and self._starts[1][0] <= past:
            self._starts.popleft()
        begins, offset = self._starts[0]
        return Place(offset, past - begins)

    def _compression(self, magic: bytes) -> Callable[[], _Decompressor] | None:
        for begins, name in _OTHERS:
            if magic.startswith(begins):
                raise SourceError(
                    f"The dump {self.path} is compressed as {name}, which is not read; get it as .bz2, or unpack it.",
                    zh=f"转储文件 {self.path} 是 {name} 压缩格式，无法读取；请下载 .bz2 版本，或先解压。",
                )
        return next((kind for begins, kind in _COMPRESSIONS if magic.startswith(begins)), None)

    def _plain(self, file: IO[bytes]) -> Iterator[bytes]:
        while data := file.read(_MOST):
            self.read = file.tell()
            yield data

    def _streams(self, file: IO[bytes], kind: Callable[[], _Decompressor], place: Place) -> Iterator[bytes]:
        given, skip, data = -place.past, place.past, b""
        while True:
            self._starts.append((given, file.tell() - len(data)))
            stream = kind()
            while not stream.eof:
                if stream.hungry and not data:
                    data = file.read(_BLOCK)
                    if not data:
                        raise self.cut_off()
                piece, data = stream.more(data), b""
                self.read = file.tell()
                given += len(piece)
                if skip:
                    skipped = min(skip, len(piece))
                    skip, piece = skip - skipped, piece[skipped:]
                if piece:
                    yield piece
            data = stream.unused_data or file.read(_BLOCK)
            if not data:
                return

    def cut_off(self) -> SourceError:
        """What to say when there is no more of it, and should be."""
        return SourceError(
            f"The dump {self.path} ends in the middle, after {self.size:,} bytes; download it again. What was read "
            "before stays.",
            zh=f"转储文件 {self.path} 不完整（只有 {self.size:,} 字节），请重新下载；先前读取的内容仍然保留。",
        )

    def _damaged(self) -> SourceError:
        return SourceError(
            f"The dump {self.path} is damaged near byte {self.read:,}; download it again. What was read before stays.",
            zh=f"转储文件 {self.path} 在第 {self.read:,} 字节附近已损坏，请重新下载；先前读取的内容仍然保留。",
        )

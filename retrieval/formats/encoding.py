"""Bytes into text, whatever encoding they came in, in constant memory.

UTF-8, UTF-16 and UTF-32 by their byte order mark, else UTF-8 (with a few broken characters if it must be), else what
charset-normalizer recognises where there is enough to judge by, else GB18030 or Big5 where nearly all characters come
out as common Chinese ones, else Windows-1252. Line ends become “\\n”.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from errors import DocumentError

Chunks = Callable[[], Iterator[bytes]]
"""Gives the bytes of a file from its beginning, in pieces, as often as it is called."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROL = 0.005
_COMMON_ENOUGH = 0.85
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_CHINESE_RUN = 4.0  # bytes; accented letters stand alone or in twos
_SAMPLE = 2**16
_FEW_BROKEN, _MANY = 0.01, 20


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec of Python's, and what it does with what it cannot read."""

    codec: str
    errors: str = "strict"


def decode(data: bytes, name: str) -> str:
    """The text in `data`. Raises `DocumentError`, naming the file, when it is binary or of no encoding known here."""

    def chunks() -> Iterator[bytes]:
        return iter((data,))

    return "".join(texts(chunks, detect(chunks, name)))


def texts(chunks: Chunks, encoding: Encoding) -> Iterator[str]:
    """The text piece by piece, with one kind of line end."""
    decoder = codecs.getincrementaldecoder(encoding.codec)(encoding.errors)
    held = ""  # a carriage return at the end of a piece may belong to a line feed
    for chunk in chunks():
        text = held + decoder.decode(chunk)
        held = "\r" if text.endswith("\r") else ""
        yield _one_line_end(text.removesuffix(held))
    yield _one_line_end(held + decoder.decode(b"", final=True))


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def detect(chunks: Chunks, name: str) -> Encoding:
    """The encoding of a text. Raises `DocumentError` when it is binary or cannot be told."""
    head = _start(chunks())
    for mark, codec in _MARKS:
        if head.startswith(mark):
            if not _readable(chunks, Encoding(codec)):
                raise _damaged_mark(name, codec.removesuffix("-sig").upper())
            return Encoding(codec)
    encoding = _unmarked(chunks, head, name)
    sample = codecs.getincrementaldecoder(encoding.codec)("replace").decode(head)
    if len(_CONTROL.findall(sample)) > _MOST_CONTROL * len(sample):
        raise not_text(name)
    return encoding


def _unmarked(chunks: Chunks, head: bytes, name: str) -> Encoding:
    if b"\0" in head:
        wide = _wide(head)
        if wide is None or not _readable(chunks, wide):
            raise not_text(name)
        return wide
    if _readable(chunks, Encoding("utf-8")):
        return Encoding("utf-8")
    sample = _foreign(chunks)
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    broken = text.count("�")
    whole = sum(not char.isascii() for char in text) - broken
    if whole >= _MANY and broken <= _FEW_BROKEN * whole:
        return Encoding("utf-8", "replace")
    for codec in _legacy(sample):
        if _readable(chunks, Encoding(codec)):
            return Encoding(codec)
    raise DocumentError(
        f"“{name}” is in an encoding that cannot be told; save it as UTF-8.",
        zh=f"无法识别“{name}”的编码，请另存为 UTF-8 后再上传。",
    )


def _start(pieces: Iterator[bytes]) -> bytes:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _SAMPLE:
            break
    return head[:_SAMPLE]


def _readable(chunks: Chunks, encoding: Encoding) -> bool:
    decoder = codecs.getincrementaldecoder(encoding.codec)(encoding.errors)
    try:
        for chunk in chunks():
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _wide(head: bytes) -> Encoding | None:
    """UTF-16 without a mark: most of every second byte is zero, none of the others."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if not even and odd * 4 > len(head):
        return Encoding("utf-16-le")
    if not odd and even * 4 > len(head):
        return Encoding("utf-16-be")
    return None


def _foreign(chunks: Chunks) -> bytes:
    """The bytes from the first one that is not ASCII on, as many as the encoding is judged by."""
    sample = b""
    for chunk in chunks():
        first = None if sample else _HIGH_BYTES.search(chunk)
        sample += chunk[first.start() :] if first else chunk if sample else b""
        if len(sample) >= _SAMPLE:
            break
    return sample[:_SAMPLE]


def _legacy(sample: bytes) -> list[str]:
    """Encodings from the likeliest on."""
    chinese = sorted(("gb18030", "big5"), key=lambda encoding: -_chinese_share(sample, encoding))
    runs = _HIGH_BYTES.findall(sample)
    long_runs = bool(runs) and sum(map(len, runs)) / len(runs) >= _CHINESE_RUN
    likely = _chinese_share(sample, chinese[0]) >= _COMMON_ENOUGH or long_runs
    known = [*chinese, "cp1252"] if likely else ["cp1252", *chinese]
    recognised = _recognised(sample) if sum(map(len, runs)) >= _ENOUGH else ""
    return [recognised, *known] if recognised else known


_ENOUGH = 64
"""Bytes that are not ASCII. Below, charset-normalizer took Chinese for Korean and Hebrew for Cyrillic (measured)."""
_RECOGNISED = ("cp949", "shift_jis", "euc_jp", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874", "cp1254")
_CENTRAL = "cp1250"
_WESTERN = ("gb18030", "big5", "cp1252")
_NO_LETTER = re.compile(r"(?<=[^\W\d_])[¡-¿](?=[^\W\d_])")


def _recognised(sample: bytes) -> str:
    """An encoding of another script than Chinese or Western Latin, if the text is clearly in one; else empty."""
    from charset_normalizer import from_bytes

    sample = sample[: 2**14]
    whole = max(sample.rfind(byte) for byte in (b"\n", b" ", b",", b"."))  # no second byte of any of these encodings
    names = [*_RECOGNISED, _CENTRAL, *_WESTERN]
    best = from_bytes(sample[: whole + 1] or sample, cp_isolation=names).best()
    if best is None or best.encoding in _WESTERN:
        return ""
    if best.encoding == _CENTRAL:
        # Polish and Czech letters are signs such as “³” within words if read as Windows-1252; French has none there.
        western = sample.decode("cp1252", "replace")
        foreign = sum(not char.isascii() for char in western)
        return _CENTRAL if len(_NO_LETTER.findall(western)) * 10 > foreign else ""
    return best.encoding if best.encoding in _RECOGNISED else ""


def _chinese_share(sample: bytes, encoding: str) -> float:
    """Share of common Chinese characters among what is not ASCII, read in this encoding; 0 where it cannot be."""
    decoder = codecs.getincrementaldecoder(encoding)()  # the sample may end within a character
    try:
        text = decoder.decode(sample)
    except UnicodeDecodeError:
        return 0.0
    foreign = [char for char in text if not char.isascii()]
    common = _common_characters(encoding)
    return sum(char in common for char in foreign) / len(foreign) if foreign else 0.0


_COMMON = {"gb18030": (range(0xB0, 0xD8), range(0xA1, 0xA4)), "big5": (range(0xA4, 0xC7), range(0xA1, 0xA3))}
"""Lead bytes of each encoding's first level (the common characters, GB 2312 and Big5) and of its punctuation."""


@cache
def _common_characters(encoding: str) -> frozenset[str]:
    pairs = (bytes([lead, trail]) for leads in _COMMON[encoding] for lead in leads for trail in range(0x40, 0xFF))
    # GB18030's trail bytes below A1 are not in GB 2312: they hold rare characters.
    lowest = 0xA1 if encoding == "gb18030" else 0x40
    return frozenset(pair.decode(encoding, "ignore") for pair in pairs if pair[1] >= lowest)


def _damaged_mark(name: str, encoding: str) -> DocumentError:
    return DocumentError(
        f"“{name}” says that it is {encoding} but is damaged; save it again as UTF-8.",
        zh=f"“{name}”标明是 {encoding} 编码，但已损坏，请另存为 UTF-8 后再上传。",
    )


def not_text(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” is not a text file, whatever its name says; give a document or a file of text.",
        zh=f"“{name}”的内容不是文本，请上传文档或文本文件。",
    )

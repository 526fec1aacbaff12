"""Files into documents: plain text and Markdown, in whatever encoding they came.

Encodings: UTF-8, UTF-16 and UTF-32 by their byte order mark, else UTF-8, else GB18030 or Big5 where nearly all
characters come out as common Chinese ones, else Windows-1252. Markdown keeps its headings, lists and code, and loses
what only a program reads (emphasis marks, link targets); HTML is kept, as text.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from functools import cache
from pathlib import Path

from errors import DocumentError
from retrieval.base import Document

MOST_BYTES = 20 * 2**20
_MARKDOWN = frozenset({".md", ".markdown"})
_PLAIN = frozenset({".txt", ".text"})

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"MZ",
    b"\x1f\x8b",
    b"\xd0\xcf\x11\xe0",
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROL = 0.005
_COMMON_ENOUGH = 0.85
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_CHINESE_RUN = 4.0  # bytes; accented letters stand alone or in twos
_SAMPLE = 2**16


def read_document(path: Path, name: str, owner: str, source: str = "documents", limit: int = MOST_BYTES) -> Document:
    """The document in the file at `path`, which its owner calls `name`. `limit` is in bytes.

    The id depends on owner, name and content alone. Raises `DocumentError` when the file is of another kind, too
    large, binary, in an unknown encoding, or holds no letter or digit.
    """
    kind = Path(name).suffix.lower()
    if kind not in _MARKDOWN | _PLAIN:
        kinds = ", ".join(sorted(_PLAIN | _MARKDOWN))
        raise DocumentError(
            f"“{name}” cannot be read: give a text or Markdown file ({kinds}).",
            zh=f"无法读取“{name}”：请上传文本或 Markdown 文件（{kinds}）。",
        )
    data = _read(path, name, limit)
    text = decode(data, name).replace("\r\n", "\n").replace("\r", "\n")
    title = name
    if kind in _MARKDOWN:
        title, text = _markdown(text, name)
    if not any(char.isalnum() for char in text):
        raise DocumentError(
            f"“{name}” holds no text; give a file with words in it.", zh=f"“{name}”里没有文字，请上传有文字的文件。"
        )
    digest = hashlib.sha256(b"\0".join([owner.encode(), name.encode("utf-8", "replace"), data])).hexdigest()
    return Document(id=digest[:16], title=title, text=text, source=source, owner=owner, name=name)


def _read(path: Path, name: str, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise DocumentError(
                f"“{name}” has {_megabytes(size)}, more than the {_megabytes(limit)} allowed; split it up.",
                zh=f"“{name}”有 {_megabytes(size)}，超过了 {_megabytes(limit)} 的上限，请拆分后再上传。",
            )
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"“{name}” could not be opened ({error.strerror}); upload it again.",
            zh=f"无法打开“{name}”（{error.strerror}），请重新上传。",
        ) from error
    if not data:
        raise DocumentError(
            f"“{name}” is empty (0 bytes); give a file with words in it.",
            zh=f"“{name}”是空文件（0 字节），请上传有文字的文件。",
        )
    return data


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"


def decode(data: bytes, name: str) -> str:
    """The text in `data`. Raises `DocumentError`, naming the file, when it is binary or of no encoding known here."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data, encoding, name)
    if data.startswith(_BINARY) or b"\0" in data[:_SAMPLE]:
        raise _is_binary(name)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = _decode_legacy(data, name)
    if len(_CONTROL.findall(text[:_SAMPLE])) > _MOST_CONTROL * len(text[:_SAMPLE]):
        raise _is_binary(name)
    return text


def _decode_marked(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"“{name}” says that it is {encoding.removesuffix('-sig').upper()} but is damaged; save it again as UTF-8.",
            zh=f"“{name}”标明是 {encoding.removesuffix('-sig').upper()} 编码，但已损坏，请另存为 UTF-8 后再上传。",
        ) from error


def _decode_legacy(data: bytes, name: str) -> str:
    """Chinese where that gives common characters, or where bytes above 7F come in long runs; else Western."""
    first = _HIGH_BYTES.search(data)
    sample = data[first.start() :][:_SAMPLE] if first else b""
    chinese = sorted(("gb18030", "big5"), key=lambda encoding: -_chinese_share(sample, encoding))
    runs = _HIGH_BYTES.findall(sample)
    long_runs = bool(runs) and sum(map(len, runs)) / len(runs) >= _CHINESE_RUN
    likely = _chinese_share(sample, chinese[0]) >= _COMMON_ENOUGH or long_runs
    for encoding in (*chinese, "cp1252") if likely else ("cp1252", *chinese):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DocumentError(
        f"“{name}” is in an encoding that cannot be told; save it as UTF-8.",
        zh=f"无法识别“{name}”的编码，请另存为 UTF-8 后再上传。",
    )


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


def _is_binary(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” is not a text file, whatever its name says; give a text or Markdown file.",
        zh=f"“{name}”的内容不是文本，请上传文本或 Markdown 文件。",
    )


_FRONT_MATTER = re.compile(r"---[ \t]*\n(?P<fields>(?:[^\n]*\n){0,100}?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*[\"']?([^\n\"']+)", re.MULTILINE | re.IGNORECASE)
_FIRST_H1 = re.compile(r"^#[ \t]+([^\n]+)$|^(\S[^\n]*)\n={3,}[ \t]*$", re.MULTILINE)
_FENCED = re.compile(r"(^[ \t]*(?:```|~~~)[^\n]*$)", re.MULTILINE)
_INLINE = (
    (re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,2000}(?:[ \t]+[\"'][^\"'\n]{0,300}[\"'])?\)"), r"\1"),
    (re.compile(r"^[ \t]{0,3}\[[^\[\]\n]{1,100}\]:[ \t]+\S[^\n]*$\n?", re.MULTILINE), ""),
    (re.compile(r"\[([^\[\]\n]{1,500})\]\[[^\[\]\n]{0,100}\]"), r"\1"),
    (re.compile(r"<(https?://[^<>\s]{1,2000})>"), r"\1"),
    (re.compile(r"(`{1,2})([^`\n]{1,1000})\1"), r"\2"),
    (re.compile(r"(?<!\\)(\*\*\*|\*\*|(?<!\w)__|~~)(?=\S)([^*~\n]{1,1000}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,1000}?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w\\])_(?=[^\s_])([^_\n]{1,1000}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])"), r"\1"),
)
"""What stands for formatting in Markdown (CommonMark 0.31), and what is left of it."""


def _markdown(text: str, name: str) -> tuple[str, str]:
    """(title, readable text) of a Markdown file."""
    title = ""
    front = _FRONT_MATTER.match(text)
    if front:
        named = _FRONT_TITLE.search(front["fields"])
        title, text = named[1].strip() if named else "", text[front.end() :]
    parts = _FENCED.split(text)  # text, fence, text, …: every second text between fences is code
    for i in range(0, len(parts), 4):
        parts[i] = _readable(_rows(parts[i]))
    text = "".join(parts)
    heading = _FIRST_H1.search("".join(parts[::4]))
    if not title and heading:
        title = (heading[1] or heading[2]).strip(" \t#")
    return title or name, text


_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_CELL_END = re.compile(r"(?<!\\)\|")


def _rows(text: str) -> str:
    """`text` with its tables as lines of “Header: cell; Header: cell”."""
    lines = text.split("\n")
    written: list[str] = []
    header: list[str] | None = None
    for i, line in enumerate(lines):
        below = lines[i + 1] if i + 1 < len(lines) else ""
        if "|" not in line:
            header = None
            written.append(line)
        elif header is None and "|" in below and _TABLE_RULE.fullmatch(below):
            header = _cells(line)
        elif header is not None and _TABLE_RULE.fullmatch(line):
            continue
        elif header is not None:
            written.append(_row(header, _cells(line)))
        else:
            written.append(line)
    return "\n".join(written)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL_END.split(line.strip().removeprefix("|").removesuffix("|"))]


def _row(header: list[str], cells: list[str]) -> str:
    named = [*header, *[""] * len(cells)]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(named, cells, strict=False) if cell)


def _readable(text: str) -> str:
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text

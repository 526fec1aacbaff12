"""Which loader reads a file: by its suffix, after a look at its content has confirmed it."""

from __future__ import annotations

import importlib
import zipfile
from dataclasses import dataclass
from typing import cast

from errors import DocumentError
from retrieval.formats.base import File, Loader, damaged, encrypted
from retrieval.formats.source_code import LANGUAGES

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEAD = 2**10


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of files that one loader reads."""

    name: str
    zh: str
    suffixes: tuple[str, ...]
    module: str
    """Of this package, imported when the first such file is read."""
    content: str
    """What a look at its content must find: `text`, `pdf`, `rtf`, or a kind of archive."""
    headed: bool = False
    """Whether its first heading is its title where it states none."""

    def loader(self) -> Loader:
        return cast(Loader, importlib.import_module(f"retrieval.formats.{self.module}"))


KINDS = (
    Kind("a PDF", "PDF", (".pdf",), "pdf", "pdf", headed=True),
    Kind("a Word document", "Word 文档", (".docx", ".docm", ".dotx", ".dotm"), "word", "docx", headed=True),
    Kind(
        "a presentation", "PowerPoint 演示文稿", (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), "slides", "pptx", True
    ),
    Kind("a workbook", "Excel 工作簿", (".xlsx", ".xlsm", ".xltx", ".xltm"), "sheets", "xlsx"),
    Kind("an OpenDocument text", "OpenDocument 文本", (".odt", ".ott"), "open_document", "odt", headed=True),
    Kind("an OpenDocument spreadsheet", "OpenDocument 电子表格", (".ods", ".ots"), "open_document", "ods"),
    Kind(
        "an OpenDocument presentation", "OpenDocument 演示文稿", (".odp", ".otp"), "open_document", "odp", headed=True
    ),
    Kind("an EPUB book", "EPUB 电子书", (".epub",), "epub", "epub", headed=True),
    Kind("an RTF document", "RTF 文档", (".rtf",), "rtf", "rtf", headed=True),
    Kind("a web page", "网页", (".html", ".htm", ".xhtml"), "html", "text", headed=True),
    Kind("a Markdown file", "Markdown 文件", (".md", ".markdown"), "markdown", "text"),
    Kind("a table of text", "文本表格", (".csv", ".tsv", ".tab"), "delimited", "text"),
    Kind("a text file", "文本文件", (".txt", ".text", ".log", ".rst", ".adoc", ".org", ".tex"), "text", "text"),
    Kind("source code", "源代码", tuple(LANGUAGES), "source_code", "text"),
)
_BY_SUFFIX = {suffix: kind for kind in KINDS for suffix in kind.suffixes}
READABLE = frozenset(_BY_SUFFIX)
"""The suffixes of all files that can be read."""

_OLD = {
    ".doc": ".docx",
    ".dot": ".docx",
    ".xls": ".xlsx",
    ".xlt": ".xlsx",
    ".xlsb": ".xlsx",
    ".ppt": ".pptx",
    ".pps": ".pptx",
}
"""Binary formats of old programs, and what to save them as."""

_SIGNATURES = (
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (_OLE, "ole"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"II*\x00", "picture"),
    (b"MM\x00*", "picture"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"Rar!", "archive"),
)
_OOXML = (
    ("docx", b"wordprocessingml.document.main+xml"),
    ("docx", b"wordprocessingml.template.main+xml"),
    ("docx", b"ms-word."),
    ("xlsx", b"spreadsheetml.sheet.main+xml"),
    ("xlsx", b"spreadsheetml.template.main+xml"),
    ("xlsx", b"ms-excel.sheet.macroEnabled.main+xml"),
    ("xlsx", b"ms-excel.template.macroEnabled.main+xml"),
    ("pptx", b"presentationml.presentation.main+xml"),
    ("pptx", b"presentationml.slideshow.main+xml"),
    ("pptx", b"presentationml.template.main+xml"),
    ("pptx", b"ms-powerpoint."),
)
"""Content types of the main part (ECMA-376 part 1, annex A; with macros, [MS-OFFMACRO])."""
_MIMETYPES = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/epub+zip": "epub",
}
_CONTENTS = {
    "zip": ("a ZIP archive", "ZIP 压缩包"),
    "archive": ("an archive", "压缩包"),
    "ole": ("an old Office file", "旧版 Office 文件"),
    "picture": ("a picture", "图片"),
    "program": ("a program", "程序"),
    "text": ("text", "文本"),
}


def kind_of(file: File) -> Kind:
    """The kind of a file by its suffix, unopened. Raises `DocumentError` where no loader reads such files."""
    found = _BY_SUFFIX.get(file.suffix)
    if found is not None:
        return found
    newer = _OLD.get(file.suffix)
    if newer:
        raise _old(file.name, newer)
    raise DocumentError(
        f"“{file.name}” cannot be read: give a PDF, Word, PowerPoint, Excel or OpenDocument file, a book (EPUB), a web "
        "page, text, Markdown, CSV or source code.",
        zh=f"无法读取“{file.name}”：请上传 PDF、Word、PowerPoint、Excel、OpenDocument、EPUB、网页、文本、Markdown、CSV "
        "或源代码文件。",
    )


def confirm(file: File, kind: Kind) -> None:
    """Raises `DocumentError` where the content is of another kind than the suffix says."""
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD)
    found = _content(file, head)
    if found == kind.content:
        return
    if found == "ole":
        raise encrypted(file.name) if _is_encrypted(file) else _old(file.name, "the newer format")
    raise _mismatch(file.name, kind, found)


def _content(file: File, head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf\r\n\t ")
    for signature, content in _SIGNATURES:
        if start.startswith(signature):
            return _archive(file) if content == "zip" else content
    # A PDF may have a few lines before its mark (ISO 32000-2, annex on implementations).
    return "pdf" if b"%PDF-" in head and file.suffix == ".pdf" else "text"


def _archive(file: File) -> str:
    try:
        with zipfile.ZipFile(file.path) as archive:
            names = set(archive.namelist())
            if "mimetype" in names:
                mimetype = archive.open("mimetype").read(_HEAD).strip().removesuffix(b"-template")
                return _MIMETYPES.get(mimetype, "zip")
            if "[Content_Types].xml" in names:
                types = archive.open("[Content_Types].xml").read(2**20)
                return next((kind for kind, mark in _OOXML if mark in types), "zip")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise damaged(file.name) from error
    return "zip"


def _is_encrypted(file: File) -> bool:
    """Whether an OLE container holds an encrypted Office Open XML file ([MS-OFFCRYPTO] 2.3.4.4)."""
    mark = "EncryptedPackage".encode("utf-16-le")
    tail = b""
    with file.path.open("rb") as stream:
        while chunk := stream.read(2**20):
            if mark in tail + chunk:
                return True
            tail = chunk[-len(mark) :]
    return False


def _old(name: str, newer: str) -> DocumentError:
    return DocumentError(
        f"“{name}” is in an old Office format that is not read here; save it as {newer} and upload that.",
        zh=f"“{name}”是旧版 Office 格式，无法读取；请另存为 {newer.replace('the newer format', '新格式')} 后再上传。",
    )


def _mismatch(name: str, kind: Kind, content: str) -> DocumentError:
    other = next((other for other in KINDS if other.content == content and content != "text"), None)
    if other is not None:
        return DocumentError(
            f"“{name}” is not {kind.name} but {other.name}, whatever its name says; rename it to end in "
            f"{other.suffixes[0]} and upload it again.",
            zh=f"“{name}”的内容是 {other.zh}，与文件名不符；请把扩展名改为 {other.suffixes[0]} 后重新上传。",
        )
    holds, zh = _CONTENTS[content]
    return DocumentError(
        f"“{name}” is not {kind.name}, whatever its name says: it holds {holds}; give the file itself.",
        zh=f"“{name}”的内容是{zh}，与文件名不符；请上传原来的文件。",
    )

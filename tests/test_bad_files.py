"""Files that cannot be read: one sentence each, and nothing else happens. python -m pytest tests/test_bad_files.py"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from errors import DocumentError
from retrieval.files import open_file, read_document
from tests.loading import FILES, text
from tests.pdfs import page_of, write_pdf
from tests.requests_seen import counting

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _sentence(path: Path, name: str, limit: int = 2**26) -> str:
    with pytest.raises(DocumentError) as caught:
        for _ in open_file(path, name, "owner", limit=limit).parts(0):
            pass
    english, chinese = caught.value.told("en"), caught.value.told("zh")
    assert english.endswith(".") and "\n" not in english and len(english) < 400
    assert _CHINESE.search(chinese) and not _CHINESE.search(english.replace(name, ""))
    return english


def _archive(path: Path, members: dict[str, bytes], like: str = "") -> Path:
    """A ZIP file of these members; `like`: a real file whose other members it gets."""
    taken = {}
    if like:
        with zipfile.ZipFile(FILES / like) as real:
            taken = {name: real.read(name) for name in real.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (taken | members).items():
            archive.writestr(name, data)
    return path


def _encrypted_pdf(path: Path) -> None:
    writer = PdfWriter(clone_from=FILES / "report.pdf")
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)


def _scanned_pdf(path: Path) -> None:
    from PIL import Image

    Image.new("L", (200, 300), 128).save(path, "PDF")


def _protected_docx(path: Path) -> None:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    path.write_bytes(head + "EncryptedPackage".encode("utf-16-le") + bytes(512))


def _bomb(path: Path) -> None:
    _archive(path, {"word/media/a.bin": bytes(300 * 2**20)}, like="report.docx")


def _many_members(path: Path) -> None:
    _archive(path, {f"word/media/{n}": b"" for n in range(20_001)}, like="report.docx")


def _xml(member: str, like: str) -> Callable[[Path], object]:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(ord("b"), ord("k"))
    )
    return lambda path: _archive(path, {member: bomb + b"]><x>&j;</x>"}, like=like)


def _broken_pdf(path: Path) -> None:
    path.write_bytes((FILES / "report.pdf").read_bytes()[:200] + b"\x00" * 500)


def _cut(name: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes((FILES / name).read_bytes()[:4000])


def _copy(name: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes((FILES / name).read_bytes())


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _locked_book(path: Path) -> None:
    encryption = (
        b'<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><e:EncryptedData '
        b'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptionMethod '
        b'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></e:EncryptedData></encryption>'
    )
    _archive(path, {"META-INF/encryption.xml": encryption}, like="manual.epub")


def _row_number(number: bytes) -> Callable[[Path], object]:
    """A workbook whose second row says that it is another."""
    member = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(FILES / "sheets.xlsx") as real:
        sheet = real.read(member)
    assert b'<row r="3"' in sheet
    changed = sheet.replace(b'<row r="3"', b'<row r="%s"' % number)
    return lambda path: _archive(path, {member: changed}, like="sheets.xlsx")


@pytest.mark.parametrize(
    ("make", "name", "why"),
    [
        (_encrypted_pdf, "a.pdf", "is protected by a password"),
        (_scanned_pdf, "a.pdf", "is a scan: its pages are pictures and hold no text"),
        (lambda path: write_pdf(path, [page_of([])]), "a.pdf", "holds no text"),
        (_broken_pdf, "a.pdf", "is damaged"),
        (_bytes(b"%PDF-1.7\n" + b"\xff" * 5000), "a.pdf", "is damaged"),
        (
            _bytes(b"\x7fELF" + bytes(range(256)) * 40),
            "a.pdf",
            "is not a PDF, whatever its name says: it holds a program",
        ),
        (_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)), "a.docx", "it holds a picture"),
        (_bytes(b"only words"), "a.pdf", "is not a PDF, whatever its name says: it holds text"),
        (_copy("report.docx"), "a.txt", "is not a text file but a Word document, whatever its name says; rename it"),
        (_copy("report.docx"), "a.pdf", "is not a PDF but a Word document"),
        (_copy("sheets.xlsx"), "a.docx", "is not a Word document but a workbook"),
        (_copy("report.pdf"), "a.md", "is not a Markdown file but a PDF"),
        (_copy("report.odt"), "a.epub", "is not an EPUB book but an OpenDocument text"),
        (lambda path: _archive(path, {"a.txt": b"x"}), "a.docx", "it holds a ZIP archive"),
        (_protected_docx, "a.docx", "is protected by a password"),
        (_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)), "a.xlsx", "old Office format"),
        (_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)), "a.doc", "save it as .docx"),
        (_bytes(b"x"), "a.ppt", "save it as .pptx"),
        (_bomb, "a.docx", "would unpack to 300 MB in"),
        (_many_members, "a.docx", "in 20,0"),
        (_xml("word/document.xml", "report.docx"), "a.docx", "defines XML entities"),
        (_xml("xl/workbook.xml", "sheets.xlsx"), "a.xlsx", "defines XML entities"),
        (_xml("ppt/slides/slide2.xml", "slides.pptx"), "a.pptx", "defines XML entities"),
        (_xml("content.xml", "report.odt"), "a.odt", "defines XML entities"),
        (_xml("META-INF/container.xml", "manual.epub"), "a.epub", "defines XML entities"),
        (_cut("report.docx"), "a.docx", "is damaged"),
        (_cut("manual.epub"), "a.epub", "is damaged"),
        (lambda path: _archive(path, {"word/document.xml": b"<w>"}, like="report.docx"), "a.docx", "is damaged"),
        (lambda path: _archive(path, {"xl/worksheets/sheet1.xml": b"<w>"}, like="sheets.xlsx"), "a.xlsx", "damaged"),
        (_locked_book, "a.epub", "is locked by its seller's copy protection"),
        (_bytes(b"<html><script>x()</script></html>"), "a.html", "holds no text"),
        (_bytes(b"word " * 20_000_000), "a.txt", "has 100.0 MB, more than the 67.1 MB allowed"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path: Path, make: Callable[[Path], object], name: str, why: str) -> None:
    path = tmp_path / "upload"
    make(path)
    before = sorted(tmp_path.rglob("*"))
    assert why in _sentence(path, name)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("number", [b"9999999999", b"x", b"-1"])
def test_a_row_with_an_impossible_number_leaves_the_others_readable(tmp_path: Path, number: bytes) -> None:
    path = tmp_path / "a.xlsx"
    _row_number(number)(path)
    assert "Name: 王小梅; Duty: 售票员; Since: 2019" in text(path)


def test_a_member_that_states_too_little_is_damaged(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.docx", {"word/document.xml": b"<w>" + b" " * 10**6}, like="report.docx")
    data = path.read_bytes()
    stated = (10**6 + 3).to_bytes(4, "little")
    assert data.count(stated) == 2
    path.write_bytes(data.replace(stated, (1000).to_bytes(4, "little")))
    assert "damaged" in _sentence(path, "a.docx")


def test_macros_are_not_run_and_the_text_beside_them_is_read(tmp_path: Path) -> None:
    types = zipfile.ZipFile(FILES / "report.docx").read("[Content_Types].xml")
    plain = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    assert plain in types
    macros = {
        "[Content_Types].xml": types.replace(plain, b"application/vnd.ms-word.document.macroEnabled.main+xml"),
        "word/vbaProject.bin": b'\xd0\xcf\x11\xe0 Sub AutoOpen() Shell("calc")',
    }
    path = _archive(tmp_path / "upload", macros, like="report.docx")
    document = read_document(path, "a.docm", "owner")
    assert "214 steps" in document.text and "AutoOpen" not in document.text


@pytest.mark.parametrize(
    ("member", "like", "name"),
    [("word/document.xml", "report.docx", "a.docx"), ("content.xml", "report.odt", "a.odt")],
)
def test_no_external_entity_is_fetched_or_shown(tmp_path: Path, member: str, like: str, name: str) -> None:
    with counting() as server:
        secret = tmp_path / "secret.txt"
        secret.write_text("the operator's key")
        data = zipfile.ZipFile(FILES / like).read(member)
        for entity in (secret.as_uri(), server.url):
            start = (
                f'<?xml version="1.0"?><!DOCTYPE x SYSTEM "{server.url}d.dtd" [<!ENTITY e SYSTEM "{entity}">]>'.encode()
            )
            body = data[data.index(b"?>") + 2 :].replace(b"214 steps", b"214 &e; steps")
            path = _archive(tmp_path / "upload", {member: start + body}, like=like)
            assert "defines XML entities" in _sentence(path, name)
        assert server.seen == []


def test_a_page_fetches_nothing(tmp_path: Path) -> None:
    with counting() as server:
        path = tmp_path / "a.html"
        path.write_text(
            f'<link rel=stylesheet href="{server.url}a.css"><img src="{server.url}a.png" alt="A map"><iframe '
            f'src="{server.url}"></iframe><script src="{server.url}a.js"></script>'
            f'<p>words <a href="{server.url}">link</a></p>'
        )
        assert text(path) == "A map\n\nwords link"
        assert server.seen == []


def test_a_damaged_page_leaves_the_others_readable(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=FILES / "report.pdf")
    buffer = io.BytesIO()
    writer.write(buffer)
    contents = PdfReader(buffer).pages[1].get_contents()
    assert contents is not None
    writer.pages[1].get_contents().set_data(b"q BT /F1 nonsense ((( \xff\xfe")  # type: ignore[union-attr]
    path = tmp_path / "a.pdf"
    writer.write(path)
    parts = list(open_file(path, "a.pdf", "owner").parts(0))
    assert "214 steps" in parts[0].text and "county archive" in parts[2].text


@pytest.mark.parametrize("name", ["x" * 300 + ".txt", "../../" + "y" * 50 + ".txt", "a\u202etxt.txt", "報告\n.txt"])
def test_a_strange_name_is_only_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"words")
    incoming = open_file(path, name, "owner")
    assert [part.text for part in incoming.parts(0)] == ["words"]
    assert len(incoming.name) <= 120 and incoming.name.isprintable() and "/" not in incoming.name
    assert list(tmp_path.iterdir()) == [path]

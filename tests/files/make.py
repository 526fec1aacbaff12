"""Makes the files that the loaders are tested on, from `sources/`. Run as `python -m tests.files.make`.

Needs LibreOffice (Writer, Calc, Impress), pandoc, qpdf, Chromium and the fonts named in README.md. What it makes is
committed, so the tests need none of them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests import browser

_HERE = Path(__file__).parent
_SOURCES = _HERE / "sources"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for kind in ("pdf", "docx", "odt", "rtf"):
            _office(_SOURCES / "report.fodt", kind, work)
        for kind in ("xlsx", "ods"):
            _office(_SOURCES / "sheets.fods", kind, work)
        for kind in ("docx", "epub", "odt"):
            _pandoc(_SOURCES / "manual.md", work / f"manual.{kind}")
        _pandoc(_SOURCES / "slides.md", work / "slides.pptx")
        for kind in ("odp", "pdf"):
            _office(work / "slides.pptx", kind, work)
        _print(_SOURCES / "page.html", work / "page.pdf")
        _run(
            "qpdf",
            "--object-streams=generate",
            "--recompress-flate",
            "--compression-level=9",
            "--replace-input",
            str(work / "page.pdf"),
        )
        shutil.copy(_SOURCES / "page.html", work / "page.html")
        for made in sorted(work.iterdir()):
            if made.is_file():
                shutil.copy(made, _HERE / made.name)
                print(f"{made.name:16} {made.stat().st_size:8,}")


def _office(source: Path, kind: str, folder: Path) -> None:
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    _run("soffice", profile, "--headless", "--convert-to", kind, "--outdir", str(folder), str(source))


def _pandoc(source: Path, target: Path) -> None:
    _run("pandoc", str(source), "-o", str(target))


def _print(source: Path, target: Path) -> None:
    chromium = browser.executable()
    assert chromium is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    _run(chromium, *flags, f"--print-to-pdf={target}", source.as_uri())


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()

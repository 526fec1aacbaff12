"""Files of a size that no memory should hold: python -m pytest -m soak -s tests/test_soak_loaders.py"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from retrieval.base import Part
from retrieval.files import open_file
from tests.pdfs import page_of, write_pdf

pytestmark = pytest.mark.soak

_PAGES = 5_000
_BYTES = 500 * 2**20
_MOST_MEMORY = 300 * 2**20


class _Peak:
    """The most memory that the processes started from here held, looked at every 0.05 s."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for child in psutil.Process().children():
                try:
                    self.bytes = max(self.bytes, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


def _read(path: Path) -> Iterator[Part]:
    """The parts of a file, with how fast they came and what they took printed at the end."""
    begun, count = time.monotonic(), 0
    with _Peak() as peak:
        for part in open_file(path, path.name, "owner", limit=2**30).parts(0):
            count += 1
            yield part
    took = time.monotonic() - begun
    print(f"\n{path.name}: {count} parts in {took:.1f} s, {count / took:.1f}/s, at most {peak.bytes / 2**20:.0f} MB")
    assert 0 < peak.bytes < _MOST_MEMORY


def test_a_pdf_of_5000_pages(tmp_path: Path) -> None:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghilmnoprstu", k=chance.randint(2, 9))) for _ in range(5_000)]

    def page(number: int) -> tuple[str, int]:
        lines = [(72.0, 720.0 - 14 * i, 10.0, " ".join(chance.choices(words, k=13))) for i in range(45)]
        return page_of([(72.0, 750.0, 16.0, f"Chapter {number} of many"), *lines])

    path = write_pdf(tmp_path / "big.pdf", [page(number) for number in range(1, _PAGES + 1)])
    for number, part in enumerate(_read(path), start=1):
        assert part.place == f"page {number}"
        assert part.text.startswith(f"# Chapter {number} of many\n\n")
        assert len(part.text) > 2_000


def test_a_text_of_500_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    count = size = 0
    with path.open("w", encoding="utf-8") as stream:
        while size < _BYTES:
            size += stream.write(f"Paragraph {count}. {'Words of a paragraph that is like the others. ' * 20}\n\n")
            count += 1
    read = characters = 0
    for part in _read(path):
        assert part.text.startswith(f"Paragraph {read}. ") and not part.continues
        assert len(part.text) < 2 * 2**20
        read += part.text.count("Paragraph ")
        characters += len(part.text)
    assert (read, characters) == (count, size)

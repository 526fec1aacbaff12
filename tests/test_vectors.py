"""Vectors on disk: python -m pytest tests/test_vectors.py"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.vectors import VectorFile, units


def _rows(*lengths: int, start: int = 1) -> list[tuple[int, np.ndarray[tuple[int, int], np.dtype[np.float32]]]]:
    return [(start + i, np.full((n, 4), start + i, dtype=np.float32)) for i, n in enumerate(lengths)]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[VectorFile]:
    file = VectorFile(tmp_path / "vectors" / "test.f16", 4)
    file.open()
    yield file
    file.close()


def _values(file: VectorFile, *keys: int) -> list[list[float] | None]:
    return [None if found is None else found[:, 0].tolist() for found in file.lookup(keys)]


def test_vectors_are_found_again(file: VectorFile) -> None:
    file.append(_rows(2, 1, 3))
    assert _values(file, 2, 7, 3) == [[2.0], None, [3.0] * 3]
    file.append(_rows(1, start=7))
    file.close()
    assert _values(file, 2) == [None]
    file.open()
    assert _values(file, 1, 2, 3, 7) == [[1.0, 1.0], [2.0], [3.0] * 3, [7.0]]
    assert len(file) == 4 and -5 not in file
    file.append([(-5, np.zeros((1, 4), np.float32))])
    assert -5 in file


@pytest.mark.parametrize("cut", [1, 10, 22, 23, 44, 65])
def test_a_torn_end_is_dropped(file: VectorFile, cut: int) -> None:
    file.append(_rows(2, 1, 3))
    file.close()
    data = file.path.read_bytes()
    row = len(data) // 6
    file.path.write_bytes(data[:-cut])
    file.open()
    assert _values(file, 1, 2, 3) == [[1.0, 1.0], [2.0], None]
    file.append(_rows(3, start=3))
    file.close()
    assert file.path.stat().st_size == 6 * row
    file.open()
    assert _values(file, 1, 2, 3) == [[1.0, 1.0], [2.0], [3.0] * 3]


def test_an_end_of_the_right_size_but_with_wrong_bytes_is_dropped(file: VectorFile) -> None:
    file.append(_rows(2, 1, 3))
    file.close()
    data = bytearray(file.path.read_bytes())
    data[-30:] = bytes(30)  # as some file systems leave it after a power cut
    file.path.write_bytes(data)
    file.open()
    assert _values(file, 1, 2, 3) == [[1.0, 1.0], [2.0], None]


def test_space_of_deleted_passages_is_freed(file: VectorFile) -> None:
    file.append(_rows(2, 1, 3))
    file.keep(np.array([1, 3]))
    assert len(file) == 3  # not worth it yet
    size = file.path.stat().st_size
    file.keep(np.array([2]))
    assert _values(file, 1, 2, 3) == [None, [2.0], None]
    assert file.path.stat().st_size == size // 6
    file.append(_rows(1, start=9))
    file.close()
    file.open()
    assert _values(file, 2, 9) == [[2.0], [9.0]]


def test_a_full_disk_leaves_no_half_row(file: VectorFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.append(_rows(2))
    opened, size = file._file, file.path.stat().st_size
    assert opened is not None
    real = opened

    class Full:
        def write(self, data: memoryview) -> int:
            if len(data) < size:
                raise OSError(28, "No space left on device")
            return real.write(data[:25])

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(file, "_file", Full())
    with pytest.raises(OSError, match="No space"):
        file.append(_rows(2, start=2))
    monkeypatch.undo()
    assert file.path.stat().st_size == size
    file.append(_rows(1, start=3))
    assert _values(file, 1, 2, 3) == [[1.0, 1.0], None, [3.0]]


def test_short_sentences_are_encoded_with_their_neighbours() -> None:
    text = "Yes. The Moon is a satellite. It is bright. Why? Nobody has ever known."
    assert [text[s.start : s.end] for s in units(text)] == [
        "Yes. The Moon is a satellite.",
        "It is bright. Why?",
        "Nobody has ever known.",
    ]
    assert units("Yes.")[0].end == 4
    text = "Present: Maria and Dev\nApologies: Yusuf"
    assert [text[s.start : s.end] for s in units(text)] == text.split("\n")


def test_a_question_on_its_own_line_goes_with_its_answer() -> None:
    text = "Q: How long does the battery last?\nA: About 14 days. It charges in three hours."
    assert [text[s.start : s.end] for s in units(text)] == [
        "Q: How long does the battery last?\nA: About 14 days.",
        "It charges in three hours.",
    ]
    apart = "Who would have thought it? Nobody thought that it would work."
    assert len(units(apart)) == 2
    assert len(units("One two three four. " * 500)) <= 64

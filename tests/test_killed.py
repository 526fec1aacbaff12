"""kill -9 while documents are added, three times; fifty times in make soak: python -m pytest tests/test_killed.py"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encoder import SentenceEncoder
from retrieval.base import Document
from retrieval.index import DocumentIndex
from retrieval.stored import FOLDER
from tests.killed import killed


def test_a_killed_index_opens_and_holds_each_document_wholly_or_not_at_all(tmp_path: Path) -> None:
    assert killed(tmp_path, times=3, seed=3, longest_s=0.5) <= 3


def test_what_a_commit_left_that_was_killed_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    """The file of deletions is written already, and the list of files, but not what says that they hold."""
    before, after = tmp_path / "before", tmp_path / "after"
    with _opened(before) as index:
        index.add([Document(name, name, f"The text {name}.", "documents", language="en") for name in ("one", "two")])
    shutil.copytree(before, after)
    with _opened(after) as index:
        assert index.delete("one", "")
    (left,) = (after / FOLDER).glob("*.del")
    for name in (left.name, ".managed.json"):
        shutil.copy(after / FOLDER / name, before / FOLDER / name)
    with _opened(before) as index:
        assert [found.id for found in index.documents("documents", "")] == ["two", "one"]
        assert index.delete("one", "")
        assert [found.id for found in index.documents("documents", "")] == ["two"]


@contextmanager
def _opened(folder: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(folder, SentenceEncoder())
    index.open()
    try:
        yield index
    finally:
        index.close()

"""kill -9 while documents are added, three times; fifty times in make soak: python -m pytest tests/test_killed.py"""

from __future__ import annotations

from pathlib import Path

from tests.killed import killed


def test_a_killed_index_opens_and_holds_each_document_wholly_or_not_at_all(tmp_path: Path) -> None:
    assert killed(tmp_path, times=3, seed=3, longest_s=0.5) <= 3

"""Freed memory goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from activity import Activity
from heap import Heap

_GIVES_BACK = """
import psutil
from heap import Heap
pieces = [bytes(100_000) for _ in range(2_000)]
kept = pieces[::50] + [bytes(10)]
del pieces
before = psutil.Process().memory_info().rss
assert Heap(0).tidy()
print((before - psutil.Process().memory_info().rss) // 1_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory in this way")
def test_what_is_free_between_what_is_in_use_is_given_back() -> None:
    here = Path(__file__).parent.parent
    command = [sys.executable, "-c", _GIVES_BACK]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100


def test_it_is_not_done_again_at_once() -> None:
    assert not Heap().tidy()


def test_it_is_done_when_somebody_was_answered() -> None:
    left = []
    with Activity(lambda: left.append("one")):
        assert not left
    assert left == ["one"]

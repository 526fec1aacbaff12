"""Freed memory goes back to the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from activity import Activity
from encoder import fast_bf16
from heap import Heap, keep_little

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

_KEEPS_LITTLE = """
import os
from heap import Heap, keep_little
keep_little(os.environ)
import psutil, torch
from packed import PackedLinear
torch.set_num_threads(1)
layers = [PackedLinear([torch.nn.Linear(384, width, dtype=torch.bfloat16)]) for width in (384, 1536)]
def after(lengths):
    with torch.inference_mode():
        for length in lengths:
            for layer in layers:
                layer(torch.zeros(length, 384, dtype=torch.bfloat16))
    assert Heap(0).tidy()
    return psutil.Process().memory_info().rss
before = after(range(1, 101))
print((after(range(101, 301)) - before) // 1_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory in this way")
def test_what_is_free_between_what_is_in_use_is_given_back() -> None:
    here = Path(__file__).parent.parent
    command = [sys.executable, "-c", _GIVES_BACK]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or not fast_bf16(torch), reason="layers are not packed here")
def test_new_lengths_of_texts_do_not_make_it_grow() -> None:
    here = Path(__file__).parent.parent
    environ = {name: value for name, value in os.environ.items() if not name.endswith("CACHE_CAPACITY")}
    command = [sys.executable, "-c", _KEEPS_LITTLE]
    done = subprocess.run(command, cwd=here, env=environ, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20


def test_what_is_set_already_stays() -> None:
    environ = {"LRU_CACHE_CAPACITY": "64"}
    keep_little(environ)
    assert environ == {"LRU_CACHE_CAPACITY": "64", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128"}


def test_it_is_not_done_again_at_once() -> None:
    assert not Heap().tidy()


def test_it_is_done_when_somebody_was_answered() -> None:
    left = []
    with Activity(lambda: left.append("one")):
        assert not left
    assert left == ["one"]

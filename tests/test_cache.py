"""The cache of Wikipedia's answers. python -m pytest tests/test_cache.py"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.cache import Cache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.mark.parametrize("on_disk", [True, False])
def test_the_cache_keeps_a_body_for_its_time(tmp_path: Path, on_disk: bool) -> None:
    clock = Clock()
    cache = Cache(tmp_path if on_disk else None, clock=clock)
    assert cache.get("k") is None
    cache.put("k", b"body", ttl_s=60)
    assert cache.get("k") == b"body"
    clock.now += 61
    assert cache.get("k") is None
    cache.close()


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    cache = Cache(None, max_bytes=30, clock=Clock())
    for name in ("a", "b", "c"):
        cache.put(name, name.encode() * 10, ttl_s=60)
    assert cache.get("a") == b"a" * 10
    cache.put("d", b"d" * 10, ttl_s=60)
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    cache.put("big", b"x" * 31, ttl_s=60)
    assert [name for name in "acd" if cache.get(name)] == ["a", "c", "d"]
    assert cache.get("big") is None
    cache.close()


def test_the_cache_on_disk_survives_and_does_not_spell_out_keys(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    first = Cache(folder)
    first.put("https://en.wikipedia.org/?srsearch=secret", b"body", ttl_s=60)
    first.close()
    second = Cache(folder)
    assert second.get("https://en.wikipedia.org/?srsearch=secret") == b"body"
    second.close()
    assert not any(b"secret" in file.read_bytes() for file in folder.iterdir())


def test_a_damaged_cache_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "fetched.sqlite").write_bytes(b"not a database " * 100)
    cache = Cache(tmp_path)
    cache.put("k", b"body", ttl_s=60)
    cache.close()
    again = Cache(tmp_path)
    assert again.get("k") == b"body"
    again.close()


def test_a_folder_that_cannot_be_used_leaves_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    cache = Cache(blocked)
    cache.put("k", b"body", ttl_s=60)
    assert cache.get("k") == b"body"
    assert "kept in memory instead" in caplog.text
    cache.close()


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def use(n: int) -> bool:
        cache.put(f"k{n}", str(n).encode(), ttl_s=60)
        return cache.get(f"k{n}") == str(n).encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(100)))
    cache.close()

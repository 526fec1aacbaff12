"""What was downloaded and is kept: freshness, revalidation, room. python -m pytest tests/test_http_cache.py"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

import pytest

from errors import SourceError
from retrieval.fetch import Fetcher, Known, Limits
from retrieval.freshness import fresh_s, may_be_kept
from retrieval.http_cache import HttpCache
from tests.sentences import one_sentence
from tests.web_server import Page, WebServer, endless, redirect

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def fetcher(server: WebServer) -> Iterator[Fetcher]:
    fetcher = Fetcher("Tests/1.0", allowed_hosts=[server.host], limits=Limits(seconds=5, bytes=2**20))
    yield fetcher
    fetcher.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(fetcher: Fetcher, tmp_path: Path, clock: Clock) -> HttpCache:
    cache = HttpCache(fetcher, tmp_path / "kept", clock=clock)
    cache.open()
    return cache


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "public, Max-Age = 60"}, 60),
        ({"cache-control": 'max-age="60"'}, 60),
        ({"cache-control": "max-age=60, max-age=7"}, 60),
        ({"cache-control": "private, max-age=60, s-maxage=7"}, 60),
        ({"cache-control": "max-age=60, no-cache"}, 0),
        ({"cache-control": 'max-age=60, no-cache="Set-Cookie"'}, 0),
        ({"cache-control": "no-store, max-age=60"}, 0),
        ({"cache-control": "max-age=soon"}, 0),
        ({"cache-control": "max-age=-1"}, 0),
        ({"cache-control": "max-age=" + "9" * 400}, 7 * DAY),
        ({"cache-control": "max-age=60", "age": "20"}, 40),
        ({"cache-control": "max-age=60", "age": "90"}, 0),
        ({"cache-control": "max-age=60", "date": formatdate(NOW - 15, usegmt=True)}, 45),
        ({"cache-control": "max-age=60", "date": formatdate(NOW + 500, usegmt=True)}, 60),
        ({"cache-control": "max-age=60", "expires": formatdate(NOW + 999, usegmt=True)}, 60),
        ({"expires": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"expires": formatdate(NOW + 90, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 90),
        ({"expires": formatdate(NOW - 90, usegmt=True)}, 0),
        ({"expires": "0"}, 0),
        ({"last-modified": formatdate(NOW - 1000, usegmt=True)}, 100),
        ({"last-modified": formatdate(NOW - 1000 * DAY, usegmt=True)}, DAY),
        ({"last-modified": formatdate(NOW + 1000, usegmt=True)}, 0),
        ({"last-modified": "yesterday"}, 0),
    ],
)
def test_how_long_an_answer_is_fresh(headers: dict[str, str], seconds: float) -> None:
    assert fresh_s(headers, NOW) == pytest.approx(seconds)


def test_what_may_be_kept() -> None:
    assert may_be_kept({}) and may_be_kept({"cache-control": "no-cache, private"})
    assert not may_be_kept({"cache-control": "private, No-Store"})


def test_a_download_goes_into_a_file(server: WebServer, fetcher: Fetcher, tmp_path: Path) -> None:
    server.pages["/"] = Page(b"body", {"ETag": '"1"', "Content-Type": "text/markdown; charset=utf-8"})
    file = tmp_path / "file"
    answer = fetcher.download(server.url(), file)
    assert (file.read_bytes(), answer.changed, answer.content_type) == (b"body", True, "text/markdown")
    file.unlink()
    answer = fetcher.download(server.url(), file, known=Known(server.url(), '"1"'))
    assert (file.exists(), answer.changed) == (False, False)
    answer = fetcher.download(server.url(), file, known=Known("http://elsewhere.test/", '"1"'))
    assert (file.read_bytes(), answer.changed) == (b"body", True)


def test_a_download_that_fails_leaves_no_file(server: WebServer, fetcher: Fetcher, tmp_path: Path) -> None:
    server.pages |= {"/big": endless(b"x" * 65536), "/gone": Page(status=410)}
    for path, message in (("/big", "sent more than 1 MB"), ("/gone", "HTTP status 410")):
        with pytest.raises(SourceError, match=message):
            fetcher.download(server.url(path), tmp_path / "file")
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/"] = Page(b"x" * 2**19)
    with pytest.raises(SourceError, match=r"could not be written to this machine's disk \(No space left") as caught:
        fetcher.download(server.url(), FullDisk())
    assert one_sentence(caught.value)


class FullDisk(type(Path())):  # type: ignore[misc]
    """A file on a disk without room."""

    def __new__(cls) -> FullDisk:
        return super().__new__(cls, "/dev/full")  # type: ignore[no-any-return]

    def unlink(self, missing_ok: bool = False) -> None:
        """It stays."""


def test_a_folder_that_is_gone_is_told(server: WebServer, fetcher: Fetcher, tmp_path: Path) -> None:
    server.pages["/"] = Page(b"body")
    with pytest.raises(SourceError, match="could not be written to this machine's disk"):
        fetcher.download(server.url(), tmp_path / "gone" / "file")
    (tmp_path / "taken").touch()
    with pytest.raises(SourceError, match=r"could not be written to this machine's disk \(Not a directory\)"):
        fetcher.download(server.url(), tmp_path / "taken" / "file")


def test_what_is_fresh_is_not_asked_for(server: WebServer, cache: HttpCache, clock: Clock) -> None:
    server.pages["/"] = Page(b"one", {"Cache-Control": "max-age=60", "Content-Type": "text/plain", "Date": date(clock)})
    first = cache.fetch(server.url())
    server.pages["/"] = Page(b"two")
    clock.now += 59
    second = cache.fetch(server.url())
    assert first == second
    assert (first.file.read_bytes(), first.content_type, first.url) == (b"one", "text/plain", server.url())
    assert first.version == sha256(b"one").hexdigest()
    assert len(server.requests) == 1
    clock.now += 2
    third = cache.fetch(server.url())
    assert (third.file.read_bytes(), third.version) == (b"two", sha256(b"two").hexdigest())


def date(clock: Clock) -> str:
    return formatdate(clock.now, usegmt=True)


@pytest.mark.parametrize(
    ("validator", "asked"),
    [
        ({"ETag": 'W/"é 1"'}, "If-None-Match"),
        ({"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}, "If-Modified-Since"),
    ],
)
def test_what_is_stale_is_confirmed(
    server: WebServer, cache: HttpCache, clock: Clock, validator: dict[str, str], asked: str
) -> None:
    server.pages["/"] = Page(b"one", {**validator, "Cache-Control": "max-age=60", "Date": date(clock)})
    first = cache.fetch(server.url())
    clock.now += 61
    server.pages["/"] = Page(b"one", {**validator, "Date": date(clock)})
    assert cache.fetch(server.url()) == first
    assert [seen.headers.get(asked) for seen in server.requests] == [None, *validator.values()]
    clock.now += 59  # what was said of it first holds again from its confirmation
    cache.fetch(server.url())
    assert len(server.requests) == 2
    clock.now += 2
    server.pages["/"] = Page(b"two", {"ETag": '"2"', "Date": date(clock)})
    assert cache.fetch(server.url()).file.read_bytes() == b"two"


def test_no_cache_is_confirmed_every_time_and_no_store_is_not_kept(
    server: WebServer, cache: HttpCache, tmp_path: Path
) -> None:
    server.pages["/a"] = Page(b"a", {"ETag": '"1"', "Cache-Control": "no-cache, max-age=60"})
    assert cache.fetch(server.url("/a")) == cache.fetch(server.url("/a"))
    assert [seen.headers.get("If-None-Match") for seen in server.requests] == [None, '"1"']
    server.pages["/a"] = Page(b"secret", {"ETag": '"2"', "Cache-Control": "no-store"})
    passing = cache.fetch(server.url("/a"))
    assert (passing.file.read_bytes(), passing.passing) == (b"secret", True)
    cache.done(passing)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_failure_leaves_what_there_was(server: WebServer, cache: HttpCache, tmp_path: Path) -> None:
    server.pages["/"] = Page(b"good", {"ETag": '"1"'})
    good = cache.fetch(server.url())
    server.pages["/"] = Page(status=500)
    with pytest.raises(SourceError, match="HTTP status 500"):
        cache.fetch(server.url())
    assert good.file.read_bytes() == b"good"
    server.pages["/"] = Page(b"good", {"ETag": '"1"'})
    assert cache.fetch(server.url()) == good


def test_validators_belong_to_where_the_body_came_from(server: WebServer, cache: HttpCache) -> None:
    server.pages |= {
        "/": redirect("/old"),
        "/old": Page(b"old", {"ETag": '"1"'}),
        "/new": Page(b"new", {"ETag": '"1"'}),
    }
    assert cache.fetch(server.url("/")).url == server.url("/old")
    server.pages["/"] = redirect("/new")
    kept = cache.fetch(server.url("/"))
    assert (kept.url, kept.file.read_bytes()) == (server.url("/new"), b"new")
    assert "If-None-Match" not in server.asked("/new")[0].headers


def test_the_folder_survives_a_restart_and_a_crash(
    server: WebServer, cache: HttpCache, fetcher: Fetcher, tmp_path: Path, clock: Clock
) -> None:
    server.pages["/"] = Page(b"good", {"ETag": '"1"'})
    kept = cache.fetch(server.url())
    folder = tmp_path / "kept"
    (folder / "half.part").write_bytes(b"ha")
    (folder / "orphan.body").write_bytes(b"x")
    again = HttpCache(fetcher, folder, clock=clock)
    again.open()
    assert sorted(file.suffix for file in folder.iterdir()) == [".body", ".json"]
    assert again.fetch(server.url()) == kept
    assert server.requests[-1].headers["If-None-Match"] == '"1"'
    assert not any(b"127.0.0.1" in file.name.encode() for file in folder.iterdir())


@pytest.mark.parametrize("damage", ["{", "[]", '{"url": 1}', ""])
def test_a_damaged_entry_is_none(server: WebServer, cache: HttpCache, tmp_path: Path, damage: str) -> None:
    server.pages["/"] = Page(b"good", {"ETag": '"1"'})
    cache.fetch(server.url())
    (entry,) = (tmp_path / "kept").glob("*.json")
    entry.write_text(damage)
    assert cache.fetch(server.url()).file.read_bytes() == b"good"
    assert "If-None-Match" not in server.requests[-1].headers


def test_a_body_that_was_cut_off_is_none(server: WebServer, cache: HttpCache, tmp_path: Path) -> None:
    server.pages["/"] = Page(b"good", {"ETag": '"1"'})
    cache.fetch(server.url()).file.write_bytes(b"go")
    assert cache.fetch(server.url()).file.read_bytes() == b"good"


def test_the_least_recently_used_go_first(server: WebServer, fetcher: Fetcher, tmp_path: Path) -> None:
    cache = HttpCache(fetcher, tmp_path, max_bytes=30)
    cache.open()
    server.pages |= {f"/{name}": Page(name.encode() * 10, {"Cache-Control": "max-age=600"}) for name in "abcd"}
    for number, name in enumerate("abc"):
        entry = cache.fetch(server.url(f"/{name}")).file.with_suffix(".json")
        os.utime(entry, (time.time() - 100 + number,) * 2)
    cache.fetch(server.url("/a"))
    cache.fetch(server.url("/d"))
    assert sorted(file.read_bytes()[:1] for file in tmp_path.glob("*.body")) == [b"a", b"c", b"d"]
    server.pages["/big"] = Page(b"x" * 31)
    big = cache.fetch(server.url("/big"))
    assert (big.passing, len(big.file.read_bytes())) == (True, 31)
    cache.forget(server.url("/a"))
    assert len(list(tmp_path.glob("*.body"))) == 2


def test_what_came_from_inside_is_not_given_out_once_its_host_is_not_allowed(
    server: WebServer, cache: HttpCache, tmp_path: Path
) -> None:
    server.pages["/"] = Page(b"internal", {"Cache-Control": "max-age=600"})
    cache.fetch(server.url())
    strict = HttpCache(Fetcher("Tests/1.0"), tmp_path / "kept")
    with pytest.raises(SourceError, match="inside a private network"):
        strict.fetch(server.url())


def test_a_folder_that_cannot_be_used_is_told(fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot be used for what is fetched") as caught:
        HttpCache(fetcher, tmp_path / "file").open()
    assert one_sentence(caught.value)

"""The operator's list of URLs, followed into the index. python -m pytest tests/test_url_list.py"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from errors import SettingsError
from retrieval.base import SearchRequest
from retrieval.corpus import SHARED
from retrieval.fetch import Fetcher, Limits
from retrieval.follower import Follower
from retrieval.http_cache import HttpCache
from retrieval.index import DocumentIndex
from retrieval.url_list import UrlList, file_name
from tests.sentences import one_sentence
from tests.web_server import Page, WebServer, endless, redirect, silent

EVERY_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Followed:
    """A list, the server it names, and who follows it."""

    file: Path
    index: DocumentIndex
    data: Path
    clock: Clock
    server: WebServer
    fetcher: Fetcher
    follower: Follower

    def lists(self, *lines: str) -> None:
        urls = [self.server.url(line) if line.startswith("/") else line for line in lines]
        self.file.write_text("\n".join(urls), encoding="utf-8")

    def step(self, later_s: float = EVERY_S) -> bool:
        self.clock.now += later_s
        return self.follower.step(threading.Event())

    def again(self, fetcher: Fetcher | None = None, network: bool = True) -> None:
        """As after a restart."""
        cache = HttpCache(fetcher or self.fetcher, self.data / "pages", clock=self.clock)
        urls = UrlList(self.file, cache if network else None, EVERY_S, self.clock)
        self.follower = Follower(self.index, urls, self.data / "urls.json", 2**20, clock=self.clock)

    def found(self, query: str) -> list[str]:
        return [passage.text for passage in self.index.search(SearchRequest(query, owner="anyone"), SHARED)]

    @property
    def urls(self) -> list[str]:
        return sorted(info.url for info in self.index.documents(SHARED, ""))


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    index = DocumentIndex(tmp_path / "index", SentenceEncoder())
    index.open()
    file = tmp_path / "urls.txt"
    file.write_text("")
    with WebServer() as server:
        fetcher = Fetcher("Tests/1.0", allowed_hosts=[server.host], limits=Limits(seconds=2, bytes=2**20))
        followed = Followed(file, index, tmp_path / "data", Clock(), server, fetcher, None)  # type: ignore[arg-type]
        followed.again()
        yield followed
        fetcher.close()
    index.close()


def text(body: str, **headers: str) -> Page:
    return Page(
        body.encode(), {"Content-Type": "text/markdown", **{k.replace("_", "-"): v for k, v in headers.items()}}
    )


def test_pages_are_read_and_cited_by_their_address(followed: Followed) -> None:
    followed.server.pages |= {"/a": text("# Otters\n\nOtters sleep."), "/b.txt": text("Badgers dig.")}
    followed.lists("# what we read", "", "/a", f"  {followed.server.url('/b.txt')}  ", "/a")
    assert followed.step()
    assert followed.urls == [followed.server.url("/a"), followed.server.url("/b.txt")]
    (passage,) = followed.index.search(SearchRequest("otters", owner="anyone"), SHARED)
    assert (passage.url, passage.title, passage.text) == (followed.server.url("/a"), "Otters", "Otters sleep.")


def test_a_page_is_confirmed_on_schedule_and_read_when_it_has_changed(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = followed.server
    server.pages["/a"] = text("Otters sleep.", ETag='"1"')
    followed.lists("/a")
    followed.step()
    followed.step(later_s=EVERY_S - 1)
    assert len(server.requests) == 1
    followed.step(later_s=2)
    assert server.requests[-1].headers["If-None-Match"] == '"1"'
    server.pages["/a"] = text("Otters juggle.", ETag='"2"')
    followed.step()
    assert followed.found("otters") == ["Otters juggle."]
    assert len(server.requests) == 3


def test_a_restart_reads_nothing_twice(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    followed.server.pages["/a"] = text("Otters sleep.", ETag='"1"')
    followed.lists("/a")
    followed.step()
    followed.again()
    monkeypatch.setattr("retrieval.follower.open_file", never)
    followed.step()
    assert followed.server.requests[-1].headers["If-None-Match"] == '"1"'
    assert followed.found("otters") == ["Otters sleep."]


def never(*args: object) -> None:
    raise AssertionError("nothing is to be read")


def test_a_page_that_fails_is_told_once_and_its_last_good_version_stays(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    server = followed.server
    server.pages |= {"/a": text("Otters sleep."), "/b": text("Badgers dig.")}
    followed.lists("/a", "/b")
    followed.step()
    server.pages |= {"/a": Page(status=404), "/b": text("Badgers doze.")}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            followed.step()
    assert followed.found("otters") == ["Otters sleep."]
    assert followed.found("badgers") == ["Badgers doze."]
    (failure,) = followed.follower.failures.values()
    assert one_sentence(failure)
    assert str(failure).startswith(f"{server.url('/a')} could not be fetched: 127.0.0.1 answered with HTTP status 404")
    assert [record.message for record in caplog.records] == [str(failure)]
    server.pages["/a"] = text("Otters wake.")
    followed.step()
    assert (followed.found("otters"), followed.follower.failures) == (["Otters wake."], {})


def test_a_failure_is_tried_again_after_a_pause_that_doubles(followed: Followed) -> None:
    followed.server.pages["/a"] = Page(status=500)
    followed.lists("/a")
    asked = []
    for minute in range(40):
        before = len(followed.server.requests)
        followed.step(later_s=60)
        if len(followed.server.requests) > before:
            asked.append(minute)
    assert asked == [0, 1, 3, 7, 15, 31]


def test_a_host_that_names_a_time_is_left_alone_until_then(followed: Followed) -> None:
    followed.server.pages["/a"] = Page(status=503, headers={"Retry-After": "600"})
    followed.lists("/a")
    followed.step()
    followed.step(later_s=599)
    assert len(followed.server.requests) == 1
    followed.step(later_s=2)
    assert len(followed.server.requests) == 2


def test_what_is_no_longer_listed_goes_also_from_the_disk(followed: Followed) -> None:
    followed.server.pages |= {"/a": text("Otters sleep."), "/b": text("Badgers dig.")}
    followed.lists("/a", "/b")
    followed.step()
    followed.lists("/b")
    followed.again()
    followed.step()
    assert followed.urls == [followed.server.url("/b")]
    assert [file.read_bytes() for file in (followed.data / "pages").glob("*.body")] == [b"Badgers dig."]


def test_a_list_that_cannot_be_read_deletes_nothing(followed: Followed) -> None:
    followed.server.pages["/a"] = text("Otters sleep.")
    followed.lists("/a")
    followed.step()
    for damage in (b"\xff\xfe\x00", None):
        followed.file.unlink() if damage is None else followed.file.write_bytes(damage)
        assert not followed.step()
        assert followed.found("otters") == ["Otters sleep."]
        assert one_sentence(followed.follower.failures[""])
    followed.lists("/a")
    assert followed.step()
    assert followed.follower.failures == {}


def test_lines_that_are_no_address_are_told_by_their_number(followed: Followed) -> None:
    followed.server.pages["/a"] = text("Otters sleep.")
    followed.lists("file:///etc/passwd", "# remark", "/a", "http://user:secret@example.org/", "example.org")
    followed.step()
    assert followed.urls == [followed.server.url("/a")]
    failures = list(followed.follower.failures.values())
    assert [str(error).split(" is left out")[0] for error in failures] == [
        f"Line {number} of {followed.file}" for number in (1, 4, 5)
    ]
    assert all(one_sentence(error) for error in failures)
    assert not any("secret" in str(error) for error in failures)


def test_what_lies_inside_is_not_fetched_unless_it_is_allowed(followed: Followed) -> None:
    followed.server.pages |= {"/a": text("Otters sleep."), "/away": redirect("http://127.0.0.2/")}
    followed.lists("/a", "/away")
    with_nothing_allowed = Fetcher("Tests/1.0")
    followed.again(with_nothing_allowed)
    followed.step()
    assert followed.urls == []
    assert all("inside a private network" in str(error) for error in followed.follower.failures.values())
    assert followed.server.requests == []
    followed.again()
    followed.step()
    assert followed.urls == [followed.server.url("/a")]
    assert "127.0.0.2 is inside a private network" in str(followed.follower.failures[followed.server.url("/away")])


def test_too_long_and_too_slow_are_failures_like_others(followed: Followed) -> None:
    followed.server.pages |= {"/long": endless(b"x" * 65536), "/slow": silent, "/good": text("Otters sleep.")}
    followed.lists("/long", "/slow", "/good")
    followed.step()
    assert followed.found("otters") == ["Otters sleep."]
    failures = followed.follower.failures
    assert "sent more than 1 MB" in str(failures[followed.server.url("/long")])
    assert "did not answer within 2 s" in str(failures[followed.server.url("/slow")])
    assert not list((followed.data / "pages").glob("*.part"))


def test_a_stop_ends_the_fetching(followed: Followed) -> None:
    stop = threading.Event()

    def stopping(handler: object) -> None:
        stop.set()
        silent(handler)  # type: ignore[arg-type]

    followed.server.pages["/slow"] = stopping
    followed.lists("/slow")
    assert not followed.follower.step(stop)
    assert followed.follower.failures == {}


def test_without_a_network_what_was_read_stays_and_nothing_is_asked(followed: Followed) -> None:
    followed.server.pages["/a"] = text("Otters sleep.")
    followed.lists("/a")
    followed.step()
    followed.again(network=False)
    followed.step()
    assert followed.found("otters") == ["Otters sleep."]
    assert len(followed.server.requests) == 1


def test_what_may_not_be_kept_is_indexed_and_leaves_no_copy(followed: Followed) -> None:
    followed.server.pages["/a"] = text("Otters sleep.", Cache_Control="no-store")
    followed.lists("/a")
    followed.step()
    assert followed.found("otters") == ["Otters sleep."]
    assert list((followed.data / "pages").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "content_type", "name"),
    [
        ("https://a.org/", "text/html", "a.org.html"),
        ("https://a.org/docs/page", "text/html", "a.org/docs/page.html"),
        ("https://a.org/report.pdf", "application/pdf", "a.org/report.pdf"),
        ("https://a.org/report.PDF", "application/octet-stream", "a.org/report.pdf"),
        ("https://a.org/README.md", "text/plain", "a.org/README.md"),
        ("https://a.org/notes", "text/plain", "a.org/notes.txt"),
        ("https://a.org/get?id=7", "application/pdf", "a.org/get id=7.pdf"),
        ("https://a.org/index.php", "text/html", "a.org/index.php.html"),
        ("https://a.org/%E4%B9%A6.txt", "", "a.org/书.txt"),
        ("https://a.org/" + "x" * 500, "text/html", "a.org/" + "x" * 144 + ".html"),
        ("https://a.org/a%00b%0A.txt", "", "a.org/a b .txt"),
    ],
)
def test_the_name_of_a_page_tells_its_kind(url: str, content_type: str, name: str) -> None:
    assert file_name(url, content_type) == name


def test_a_list_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^--documents-urls: The list of URLs .* cannot be read \(No such file"):
        UrlList(tmp_path / "gone", None)

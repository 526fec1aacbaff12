"""Feeds in every format, and what servers send instead. python -m pytest tests/test_feeds.py"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import SourceError
from retrieval.feeds import MOST_ITEMS, read_feed
from tests.facts import check_told
from tests.feed_samples import NOON, Report, atom, bomb, rss10, rss20

ADDRESS = "https://post.example/feed"
FERRY = Report("The ferry is back", "<p>The ferry to Skarholm sails again.</p><p>It was repaired.</p>", minutes=90)


@pytest.mark.parametrize("write", [rss20, rss10, atom])
def test_every_format_gives_title_text_link_and_date(write: Callable[..., bytes]) -> None:
    feed = read_feed(write("Harbour Post", FERRY), ADDRESS)
    (item,) = feed.items
    assert (feed.title, feed.language) == ("Harbour Post", "en")
    assert item.title == "The ferry is back"
    assert item.text == "The ferry to Skarholm sails again.\n\nIt was repaired."
    assert item.url == FERRY.address
    assert item.published == NOON.timestamp() + 90 * 60


def test_markup_in_items_becomes_plain_text_and_scripts_go() -> None:
    nasty = Report(
        "Tom &amp; <b>Jerry</b> <script>alert(1)</script>",
        '<script>alert("x")</script><style>p{}</style><p onclick="x()">One&nbsp;<a href="javascript:x()">two</a></p>'
        "<iframe src='//evil.example'></iframe><img src=x onerror=x() alt='a boat'><ul><li>three</li></ul>",
        link="javascript:alert(1)",
    )
    (item,) = read_feed(rss20("Post", nasty), ADDRESS).items
    assert item.title == "Tom & Jerry"
    assert item.text == "One two\n\na boat\n\n- three"
    assert item.url == ADDRESS


def test_a_relative_link_is_the_feeds_neighbour() -> None:
    (item,) = read_feed(rss20("Post", Report("The ferry is back", link="/a?b=1&c=2")), ADDRESS).items
    assert item.url == "https://post.example/a?b=1&c=2"


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "iso-8859-1"),
        ("utf-8", "gb2312"),
        ("gb18030", "gb2312"),
        ("gb18030", "utf-8"),
        ("gb18030", "no-such-codec"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-8"),
    ],
)
def test_text_is_read_whatever_encoding_is_declared(encoding: str, declared: str) -> None:
    report = Report(
        "灯塔重新开放", "<p>港口的灯塔今天重新开放，游客可以登上塔顶。修复工作历时两年，耗资三百万元。</p>" * 3
    )
    feed = read_feed(rss20("海港日报", report, encoding=encoding, declared=declared), ADDRESS)
    assert (feed.title, feed.language, feed.items[0].title) == ("海港日报", "zh", "灯塔重新开放")
    assert feed.items[0].text.startswith("港口的灯塔今天重新开放")


def test_what_is_not_well_formed_is_read_as_far_as_it_goes() -> None:
    loose = (
        "\n\n<rss><channel><title>Post & Mail</title><item><title>Bread & butter caf&eacute; &nosuch; dear"
        "</title><dc:date>2024-05-06T07:08:09Z</dc:date><link>https://post.example/a?b=1&c=2</link><description>A<br>"
        "B \x0b &lt;p>C&lt;/p></description></item><item><title>Cut off"
    )
    feed = read_feed(loose.encode(), ADDRESS)
    assert feed.title == "Post & Mail"
    assert feed.items[0].title == "Bread & butter café &nosuch; dear"
    assert feed.items[0].url == "https://post.example/a?b=1&c=2"
    assert feed.items[0].published == 1714979289
    assert "C" in feed.items[0].text


@pytest.mark.parametrize("minutes", [None, 60 * 24 * 400, -60 * 24 * 365 * 80])
def test_a_date_that_cannot_be_is_none(minutes: int | None) -> None:
    (item,) = read_feed(rss20("Post", Report("The ferry is back", minutes=minutes)), ADDRESS).items
    assert item.published is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"Not found",
        b'{"items": []}',
        b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form></form></body></html>",
        b"<?xml version='1.0'?><opml><body/></opml>",
        bytes(range(256)) * 50,
        b"%PDF-1.7 " + bytes(300),
    ],
)
def test_what_is_no_feed_is_told_in_one_sentence(body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read_feed(body, ADDRESS)
    check_told(caught.value, "post.example")


def test_entities_are_never_expanded_and_files_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("open sesame", encoding="utf-8")
    outside = (
        f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "{secret.as_uri()}">'
        f'<!ENTITY % y SYSTEM "{secret.as_uri()}"> %y;]>'
        "<rss version='2.0'><channel><title>&x;</title><item><title>A &x; b</title></item></channel></rss>"
    )
    feed = read_feed(outside.encode(), ADDRESS)
    assert "sesame" not in str(feed)
    assert sum(len(item.title) + len(item.text) for item in read_feed(bomb(), ADDRESS).items) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"<rss><channel><item><title>x</title>" + b"<a/>" * 450_000 + b"</item></channel></rss>",
        b"<rss><channel>" + b"<a/>" * 450_000 + b"<item><title>x</title></item></channel></rss>",
        b"<rss><channel><item><title>x" + b"<a>" * 600_000,
        b"<rss><channel>" + b"<item><title>x</title></item>" * 70_000 + b"</channel></rss>",
        b"<rss><channel><item " + b"".join(b'a%d="1" ' % i for i in range(150_000)) + b"/></channel></rss>",
        b"<rss><channel><item><title>" + b"&" * 1_900_000 + b"</title></item></channel></rss>",
        b"<rss><channel><item><title>" + b"<![CDATA[" * 200_000 + b"</title></item></channel></rss>",
        b"<rss><channel><item><description>" + b"&lt;div>" * 240_000 + b"</description></item></channel></rss>",
        b"<rss><channel><item><description>" + b"&lt;" * 480_000 + b"</description></item></channel></rss>",
    ],
)
def test_two_megabytes_of_spite_take_little_time(body: bytes) -> None:
    began = time.process_time()
    feed = read_feed(body, ADDRESS)
    assert time.process_time() - began < 6
    assert len(feed.items) <= MOST_ITEMS
    assert all(len(item.title) <= 300 and len(item.text) <= 2001 for item in feed.items)


def test_the_library_is_only_given_bytes() -> None:
    """Given a string it would open an address or a file."""
    source = Path(read_feed.__code__.co_filename).read_text(encoding="utf-8")
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("feedparser")
    ]
    assert [ast.unparse(call.args[0]).partition("(")[0] for call in calls] == ["io.BytesIO"]

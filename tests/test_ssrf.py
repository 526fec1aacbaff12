"""Server-side request forgery: URLs that must lead nowhere, by themselves and as the target of a redirect.

Nothing here may open a connection: every attempt is recorded, and answered with "refused".
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpcore
import pytest

from errors import SourceError
from retrieval.fetch import Fetcher, Limits
from tests.sentences import one_sentence
from tests.ssrf_urls import INSIDE, NAMES, PUBLIC, TABLE
from tests.web_server import Answer, Page, WebServer, raw, redirect


@pytest.fixture(scope="module")
def listening() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def server(listening: WebServer) -> WebServer:
    listening.requests.clear()
    listening.pages = {"/": Page(b"a secret")}
    return listening


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every TCP connection that was tried; none succeeds."""
    tried: list[Any] = []
    ordinary = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.type == socket.SOCK_STREAM:
            tried.append(address)
            raise ConnectionRefusedError
        ordinary(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def resolve(host: str, port: int) -> list[str]:
    """Addresses from the table. A number is its own; what is not in it must not have been looked up."""
    numeric = re.fullmatch(r"[0-9.]+|[0-9a-f:.]+", host)
    return [host] if numeric else NAMES[host]


def fetcher(*allowed: str) -> Fetcher:
    return Fetcher("Tests/1.0", allowed_hosts=allowed, limits=Limits(seconds=5), resolve=resolve)


def test_the_table_is_long_enough_and_holds_no_url_twice() -> None:
    assert len({url for url, _ in TABLE}) == len(TABLE) >= 60


@pytest.mark.parametrize(("url", "why"), TABLE, ids=[ascii(url)[1:60] for url, _ in TABLE])
def test_nothing_is_connected_to(server: WebServer, connected: list[Any], url: str, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        fetcher().get(url.replace("{port}", str(server.port)))
    assert one_sentence(caught.value)
    assert "pass@" not in str(caught.value)
    assert connected == []
    assert server.requests == []


def test_the_recorder_sees_connections(connected: list[Any]) -> None:
    with pytest.raises(SourceError, match="could not be reached"):
        fetcher().get("http://public.test/")
    assert connected == [(PUBLIC, 80)]


RELATIVE = (
    "",
    "127.0.0.1",
    "http:127.0.0.1",
    "http:///127.0.0.1/",
    "http://",
    "/\\127.0.0.1/",
    "///127.0.0.1/",
    "?127.0.0.1",
)
"""What a redirect that names no other host may hold."""
ABSOLUTE = [url for url, _ in TABLE if url.strip() not in RELATIVE and url.isprintable()]


@pytest.mark.parametrize("url", ABSOLUTE, ids=[ascii(url)[1:60] for url in ABSOLUTE])
def test_no_redirect_leads_there(server: WebServer, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    reached = stands_for_public(server, monkeypatch)
    server.pages["/away"] = redirect_to(url.replace("{port}", str(server.port)))
    with pytest.raises(SourceError) as caught:
        fetcher().get(f"http://public.test:{server.port}/away")
    assert one_sentence(caught.value)
    assert [seen.path for seen in server.requests] == ["/away"]
    assert reached == [PUBLIC]


@pytest.mark.parametrize("location", RELATIVE)
def test_a_redirect_without_a_host_stays_where_it_is(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    reached = stands_for_public(server, monkeypatch)
    server.pages["/away"] = redirect_to(location)
    with pytest.raises(SourceError, match=r"^public\.test (answered with HTTP status (302|404)|redirected more than)"):
        fetcher().get(f"http://public.test:{server.port}/away")
    assert set(reached) == {PUBLIC}


def redirect_to(location: str) -> Answer:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return raw(head.encode())


def stands_for_public(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The server is reached under the public address, on its own port. Returns every address that is connected to."""
    reached: list[str] = []
    ordinary = httpcore.SyncBackend.connect_tcp

    def connect_tcp(self: httpcore.SyncBackend, host: str, port: int, *how: Any) -> httpcore.NetworkStream:
        reached.append(host)
        return ordinary(self, "127.0.0.1" if host == PUBLIC else host, port, *how)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_tcp)
    return reached


def test_a_public_page_is_fetched_through_the_same_checks(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other tests rely on: the way is open for what is public."""
    reached = stands_for_public(server, monkeypatch)
    server.pages["/away"] = redirect(f"http://elsewhere.test:{server.port}/")
    with closing(fetcher()) as open_to_all:
        assert open_to_all.get(f"http://public.test:{server.port}/away").body == b"a secret"
    assert [seen.headers["Host"] for seen in server.requests] == [
        f"public.test:{server.port}",
        f"elsewhere.test:{server.port}",
    ]
    assert reached == [PUBLIC, PUBLIC]


@pytest.mark.parametrize("later", [["127.0.0.1"], ["169.254.169.254"], [PUBLIC, "10.0.0.1"], ["::1"]])
def test_a_name_server_that_changes_its_answer_gains_nothing(connected: list[Any], later: list[str]) -> None:
    """The address that was checked is the one that is connected to: nobody asks between the two."""
    answers = [[PUBLIC], later]
    asked: list[str] = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    rebound = Fetcher("Tests/1.0", limits=Limits(seconds=5), resolve=changing)
    with pytest.raises(SourceError, match="could not be reached"):
        rebound.get("http://rebind.test/")
    assert (asked, connected) == (["rebind.test"], [(PUBLIC, 80)])
    with pytest.raises(SourceError, match=INSIDE):
        rebound.get("http://rebind.test/")
    assert connected == [(PUBLIC, 80)]


def test_the_answer_changes_between_a_page_and_its_redirect(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = stands_for_public(server, monkeypatch)
    answers = [[PUBLIC], ["127.0.0.1"]]
    server.pages["/away"] = redirect_to(f"http://rebind.test:{server.port}/")
    rebound = Fetcher("Tests/1.0", limits=Limits(seconds=5), resolve=lambda host, port: answers.pop(0))
    with pytest.raises(SourceError, match=INSIDE):
        rebound.get(f"http://rebind.test:{server.port}/away")
    assert reached == [PUBLIC]


def test_an_operator_may_allow_a_host_by_name(server: WebServer) -> None:
    port = server.port
    allowed = fetcher(f"loopback.test:{port}")
    assert allowed.get(f"http://loopback.test:{port}/").body == b"a secret"
    assert allowed.get(f"http://LOOPBACK.test:{port}/").body == b"a secret"
    for other in (
        f"http://loopback.test:{port + 1}/",
        f"http://127.0.0.1.nip.test:{port}/",
        f"http://127.0.0.1:{port}/",
    ):
        with pytest.raises(SourceError, match=INSIDE):
            allowed.get(other)
    allowed.close()


@pytest.mark.parametrize("name", ["metadata", "metadata.azure.test", "translated.test", "zone.test", "169.254.169.254"])
def test_where_clouds_keep_keys_is_not_fetched_even_if_it_is_allowed(connected: list[Any], name: str) -> None:
    with pytest.raises(SourceError, match="is never fetched") as caught:
        fetcher(name).get(f"http://{name}/")
    assert one_sentence(caught.value)
    assert connected == []


def test_a_page_elsewhere_does_not_lead_to_an_allowed_host(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when a connection to it is open."""
    stands_for_public(server, monkeypatch)
    allowed = fetcher("loopback.test")
    assert allowed.get(f"http://loopback.test:{server.port}/").body == b"a secret"
    server.pages["/away"] = redirect_to(f"http://loopback.test:{server.port}/")
    with pytest.raises(SourceError, match=INSIDE):
        allowed.get(f"http://public.test:{server.port}/away")
    assert allowed.get(f"http://loopback.test:{server.port}/away").body == b"a secret"  # it may lead to itself
    allowed.close()


def test_this_machines_own_public_address_is_inside(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its services may be behind a firewall that does not stand between the machine and itself."""
    monkeypatch.setattr("retrieval.address.is_public", lambda address: True)
    with pytest.raises(SourceError, match=INSIDE):
        fetcher().get(f"http://127.0.0.1:{server.port}/")
    assert server.requests == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
def test_a_proxy_in_the_environment_is_no_way_around(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with WebServer() as proxy:
        monkeypatch.setenv(name, proxy.url())
        with pytest.raises(SourceError, match=INSIDE):
            fetcher().get(server.url())
        with closing(fetcher(server.host)) as allowed:
            assert allowed.get(server.url()).body == b"a secret"
        assert proxy.requests == []

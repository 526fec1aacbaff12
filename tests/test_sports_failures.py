"""Score boards that fail: one sentence for each way, within the time limit, and what came is used.

python -m pytest tests/test_sports_failures.py
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator

import pytest

from errors import SourceError
from retrieval.base import SearchRequest
from retrieval.scoreboard import MalformedError, games
from retrieval.sports import Sports
from tests.score_boards import Boards, board, game
from tests.test_sports import ARSENAL, CHELSEA, NOW, Clock
from tests.web_server import Answer, Page, WebServer, dripping, endless, raw, redirect, silent

DAYS = ("20261120", "20261121", "20261122")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


@pytest.fixture
def boards() -> Iterator[Boards]:
    with WebServer() as server:
        yield Boards(server)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sports(boards: Boards, clock: Clock) -> Iterator[Sports]:
    sports = Sports(boards.url, wall=lambda: NOW, clock=clock, time_limit_s=0.6, max_bytes=2**20)
    yield sports
    sports.close()


def nba(boards: Boards, answer: Answer) -> None:
    for day in DAYS:
        boards.answer("basketball/nba", day, answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            Page(b"<html><script>alert(1)</script></html>"),
            r"What 127\.0\.0\.1 sent is not a score board; .*--sports-url\.",
        ),
        (Page(b""), r"What 127\.0\.0\.1 sent is not a score board; .*"),
        (Page(b"[]"), r"What 127\.0\.0\.1 sent is not a score board; .*"),
        (Page(b'{"events": 7}'), r"What 127\.0\.0\.1 sent is not a score board; .*"),
        (Page(b'{"events": [1, null, "x", {"competitions": {}}]}'), r"What 127\.0\.0\.1 sent is not a score board; .*"),
        (Page(b"[" * 500_000), r"What 127\.0\.0\.1 sent is not a score board; .*"),
        (Page(board(game(ARSENAL, CHELSEA)).decode().encode("utf-16")), r"What 127\.0\.0\.1 sent is not .*"),
        (Page(b'{"events": [{"name": "caf\xe9"}]}'), r"What 127\.0\.0\.1 sent is not a score board; .*"),
        (Page(status=404), r"127\.0\.0\.1 answered with HTTP status 404; check the address\."),
        (Page(status=500), r"127\.0\.0\.1 answered with HTTP status 500; try again later\."),
        (Page(status=429), r"Sports scores asked us to slow down; it is asked again in 30 s\."),
        (raw(b""), r"127\.0\.0\.1 broke off its answer; try again later\."),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), r"127\.0\.0\.1 broke off its answer; .*"),
        (endless(b" " * 65536, HEAD), r"127\.0\.0\.1 sent more than 1 MB, .*"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n{"), r"127\.0\.0\.1 .*"),
        (silent, r"127\.0\.0\.1 did not answer within .* s; .*"),
        (dripping(b" ", HEAD), r"127\.0\.0\.1 did not answer within .* s; .*"),
        (redirect("http://127.0.0.2/board"), r"127\.0\.0\.2 is inside a private network .*"),
        (redirect("file:///etc/passwd"), r".*addresses are not fetched.*"),
    ],
)
def test_each_failure_is_one_sentence_in_time(sports: Sports, boards: Boards, answer: Answer, sentence: str) -> None:
    nba(boards, answer)
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        sports.search(SearchRequest("NBA scores"))
    assert time.monotonic() - began < 2
    assert re.fullmatch(sentence, str(caught.value)), str(caught.value)
    assert caught.value.told("zh") != str(caught.value)
    status = sports.status()
    assert status is not None and status.failing and str(caught.value) in status.text


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with WebServer() as server:
        boards = Boards(server)
    sports = Sports(boards.url, time_limit_s=1.0)
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 could not be reached"):
        sports.search(SearchRequest("NBA scores"))
    sports.close()


def test_leagues_that_fail_do_not_keep_back_the_others(sports: Sports, boards: Boards) -> None:
    nba(boards, silent)
    boards.empty("soccer/eng.1")
    boards.put("soccer/eng.1", "20261121", game(ARSENAL, CHELSEA))
    found = sports.search(SearchRequest("scores today", settings={"leagues": "soccer/eng.1\nbasketball/nba"}))
    assert [passage.text[:20] for passage in found] == ["Arsenal beat Chelsea"]
    status = sports.status()
    assert status is not None and status.failing
    assert re.fullmatch(r"18:00 UTC: not all scores of NBA: 127\.0\.0\.1 did not answer within .*", status.text)
    assert status.zh.startswith("UTC 18:00：缺少部分比分（NBA）：")


def test_the_requests_deadline_counts(sports: Sports, boards: Boards) -> None:
    nba(boards, silent)
    began = time.monotonic()
    with pytest.raises(SourceError, match="did not answer within"):
        sports.search(SearchRequest("NBA scores", deadline=began + 0.2))
    assert time.monotonic() - began < 0.5


def test_a_cancelled_search_ends_at_once(boards: Boards) -> None:
    nba(boards, silent)
    sports = Sports(boards.url, wall=lambda: NOW, time_limit_s=60)
    request = SearchRequest("NBA scores")
    threading.Timer(0.1, request.cancel.set).start()
    began = time.monotonic()
    assert sports.search(request) == []
    assert time.monotonic() - began < 2
    sports.close()


def test_a_server_that_fails_again_and_again_is_left_alone(sports: Sports, boards: Boards, clock: Clock) -> None:
    nba(boards, Page(status=500))
    for _ in range(2):
        with pytest.raises(SourceError, match="HTTP status 500"):
            sports.search(SearchRequest("NBA scores"))
    asked = len(boards.server.requests)
    with pytest.raises(SourceError, match=r"Sports scores failed several times; it is asked again in 5 s\."):
        sports.search(SearchRequest("NBA scores"))
    assert len(boards.server.requests) == asked
    clock.now += 6
    boards.empty("basketball/nba")
    assert sports.search(SearchRequest("NBA scores")) == []


def test_hostile_texts_become_plain_lines(sports: Sports, boards: Boards) -> None:
    evil = game(("<script>alert(1)</script>\x00\n\u202e" + "A" * 10_000, "A", 1), ("Nets\r\n\r\n# Nets", "BKN", 0))
    evil["links"] = [{"href": "javascript:alert(1)"}, {"href": "http://user:pw@x/"}, {"href": 7}]
    boards.empty("basketball/nba")
    boards.put("basketball/nba", "20261121", evil)
    (passage,) = sports.search(SearchRequest("NBA scores"))
    assert passage.url == ""
    assert passage.text.isprintable() and len(passage.text) < 500
    assert passage.text.startswith("<script>alert(1)</script> AAAA")  # as text; the page escapes it


def test_games_that_are_not_in_the_form_are_left_out() -> None:
    good = game(ARSENAL, CHELSEA, id="1")

    def without(**changes: object) -> dict[str, object]:
        return game(ARSENAL, CHELSEA, id="2") | {"competitions": [good["competitions"][0] | {"id": "2"} | changes]}

    bad = [
        without(competitors=[]),
        without(competitors=good["competitions"][0]["competitors"] * 2),
        without(competitors=[{"team": {"displayName": 7}}, {}]),
        without(status={"type": {"state": "perhaps"}}),
        without(status=None) | {"status": []},
        without(date="tomorrow"),
        without(date="0001-01-01T00:00Z"),
        without(date="9999-12-31T23:59Z"),
        without(date="2026-11-21T15:00"),
        {"competitions": [None, 3]},
        None,
    ]
    body = json.dumps({"events": [*bad, good]}).encode()
    assert [found.id for found in games(body, "soccer/eng.1")] == ["1"]


def test_contests_of_many_are_no_games_and_no_failure() -> None:
    race = {"competitions": [{"competitors": [{"athlete": {"displayName": f"Driver {i}"}} for i in range(20)]}]}
    assert games(json.dumps({"events": [race]}).encode(), "racing/f1") == []
    with pytest.raises(MalformedError):
        games(b'{"events": [{}]}', "racing/f1")


def test_scores_and_flags_of_the_wrong_type() -> None:
    event = game(ARSENAL, CHELSEA)
    first, second = event["competitions"][0]["competitors"]
    first["score"], second["score"] = {"value": 2}, True
    event["competitions"][0]["status"]["period"] = "second"
    event["competitions"][0]["venue"] = "Emirates"
    (found,) = games(json.dumps({"events": [event]}).encode(), "soccer/eng.1")
    assert (found.home.score, found.away.score, found.period, found.venue) == ("", "", 0, "")

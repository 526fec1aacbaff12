"""Sports scores: which leagues a question asks, which games it finds, and how they are told.

python -m pytest tests/test_sports.py
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from errors import InputError, SettingsError
from retrieval.base import Live, Retriever, SearchRequest
from retrieval.leagues import asked, default, known
from retrieval.sports import LEAGUES, Sports
from tests.score_boards import FINAL, LIVE, POSTPONED, SCHEDULED, Boards, game
from tests.web_server import WebServer

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC).timestamp()
ARSENAL, CHELSEA, LEEDS = ("Arsenal", "ARS", 2), ("Chelsea", "CHE", 1), ("Leeds United", "LEE", None)
LAKERS, CELTICS = ("Los Angeles Lakers", "LAL", 110), ("Boston Celtics", "BOS", 102)
LA = ("Crypto.com Arena", "Los Angeles", "CA")
NBA_FINAL = FINAL | {"name": "STATUS_FINAL", "detail": "Final"}


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def boards() -> Iterator[Boards]:
    with WebServer() as server:
        boards = Boards(server)
        boards.empty(*default())
        boards.put("soccer/eng.1", "20261121", game(ARSENAL, CHELSEA, id="1"))
        boards.put(
            "soccer/eng.1",
            "20261122",
            game(
                LEEDS,
                ("Arsenal", "ARS", None),
                "2026-11-22T16:30Z",
                SCHEDULED,
                venue=("Elland Road", "Leeds", "England"),
                id="2",
            ),
        )
        boards.put(
            "basketball/nba", "20261120", game(LAKERS, CELTICS, "2026-11-21T03:30Z", NBA_FINAL, venue=LA, id="3")
        )
        boards.put(
            "basketball/nba",
            "20261121",
            game(
                CELTICS,
                ("Miami Heat", "MIA", None),
                "2026-11-22T00:30Z",
                SCHEDULED,
                venue=("TD Garden", "Boston", "MA"),
                id="4",
            ),
        )
        yield boards


@pytest.fixture
def sports(boards: Boards, clock: Clock) -> Iterator[Sports]:
    sports = Sports(boards.url, wall=clock, clock=clock)
    yield sports
    sports.close()


def found(sports: Sports, query: str, **settings: str) -> list[str]:
    return [passage.text for passage in sports.search(SearchRequest(query, settings=settings))]


def test_it_is_a_source_that_visitors_can_set(sports: Sports) -> None:
    retriever: Retriever = sports
    live: Live = sports
    assert retriever.name == "sports"
    assert live.status() is None


def test_a_result_says_who_what_where_and_when(sports: Sports, boards: Boards) -> None:
    passage, other = sports.search(SearchRequest("How did Arsenal do?"))
    assert passage.text == (
        "Arsenal beat Chelsea 2–1 (final score, Premier League) on Saturday, 21 November 2026 (today), at 15:00 GMT "
        "(15:00 UTC), at Emirates Stadium, London."
    )
    assert passage.title == "Arsenal – Chelsea, Premier League"
    assert passage.url == "https://www.espn.com/game/_/gameId/1"
    assert passage.document == "sports:soccer/eng.1:1"
    assert (passage.start, passage.end, passage.language) == (0, len(passage.text), "en")
    assert passage.score > other.score
    assert (
        "Leeds United play Arsenal (scheduled, Premier League) on Sunday, 22 November 2026 (tomorrow), at 16:30"
        in other.text
    )
    assert boards.asked() == {"soccer/eng.1", "soccer/uefa.champions"}


@pytest.mark.parametrize(
    ("question", "first", "leagues"),
    [
        ("When do Arsenal play next?", "Leeds United play Arsenal", {"soccer/eng.1", "soccer/uefa.champions"}),
        ("Did ARS win?", "Arsenal beat Chelsea", set(default())),
        ("NBA scores yesterday", "Los Angeles Lakers beat Boston Celtics", {"basketball/nba"}),
        ("NBA games today", "Boston Celtics play Miami Heat", {"basketball/nba"}),
        ("Did the Lakers win last night?", "Los Angeles Lakers beat Boston Celtics", {"basketball/nba"}),
        ("Premier League tomorrow", "Leeds United play Arsenal", {"soccer/eng.1"}),
        (
            "昨晚湖人队比分",
            "NBA，2026年11月20日（周五，昨晚）当地时间 19:30（UTC 11月21日 03:30）：洛杉矶湖人队（Los",
            {"basketball/nba"},
        ),
        (
            "阿森納今天贏了嗎",
            "英超，2026年11月21日（周六，今天）当地时间 15:00",
            {"soccer/eng.1", "soccer/uefa.champions"},
        ),
        (
            "明天英超赛程",
            "英超，2026年11月22日（周日，明天）当地时间 16:30（UTC 16:30）：利兹联队（Leeds",
            {"soccer/eng.1"},
        ),
    ],
)
def test_the_game_that_is_asked_for_comes_first(
    sports: Sports, boards: Boards, question: str, first: str, leagues: set[str]
) -> None:
    assert found(sports, question)[0].startswith(first)
    assert boards.asked() == leagues


def test_a_day_that_is_named_leaves_out_other_days(sports: Sports) -> None:
    assert len(found(sports, "NBA scores yesterday")) == 1
    assert len(found(sports, "NBA scores")) == 2
    assert len(found(sports, "scores today")) == 2  # Arsenal's and the one in Boston
    # Where there is none on that day, the others are better than nothing.
    assert len(found(sports, "Did Chelsea play yesterday?")) == 1


def test_a_question_about_something_else_finds_nothing(sports: Sports) -> None:
    assert found(sports, "Who discovered penicillin?") == []
    assert found(sports, "What was nice about yesterday?") == []


def test_the_question_itself_is_never_sent(sports: Sports, boards: Boards) -> None:
    found(sports, "Did my secret friend Zebedee see Arsenal?")
    sent = " ".join(f"{seen.path} {seen.headers}" for seen in boards.server.requests)
    assert "ebedee" not in sent
    assert all(seen.path.endswith(f"?dates={seen.path[-8:]}") for seen in boards.server.requests)


def test_a_live_game_is_told_with_its_minute(sports: Sports, boards: Boards, clock: Clock) -> None:
    boards.put("soccer/eng.1", "20261121", game(ARSENAL, CHELSEA, "2026-11-21T17:00Z", LIVE, clock="67'"))
    assert found(sports, "Arsenal score")[0] == (
        "Arsenal lead Chelsea 2–1 (live, 67', Premier League) as of 18:00 UTC; the game began on Saturday, "
        "21 November 2026 (today), at 17:00 GMT (17:00 UTC), at Emirates Stadium, London."
    )
    assert "2–1领先切尔西队（Chelsea），比赛正在进行，第67分钟（截至 UTC 18:00）" in found(sports, "阿森纳比分")[0]


@pytest.mark.parametrize(
    ("league", "kind", "period", "shown", "said"),
    [
        ("basketball/nba", {"name": "STATUS_IN_PROGRESS", "detail": "4:32 - 3rd Quarter"}, 3, "4:32", "第3节 4:32"),
        ("basketball/nba", {"name": "STATUS_IN_PROGRESS", "detail": "1:02 - OT"}, 5, "1:02", "加时 1:02"),
        ("basketball/nba", {"name": "STATUS_HALFTIME", "detail": "Halftime"}, 2, "0.0", "中场休息"),
        ("baseball/mlb", {"name": "STATUS_IN_PROGRESS", "detail": "Bottom 5th"}, 5, "0:00", "第5局下半"),
        ("soccer/eng.1", {"name": "STATUS_SECOND_HALF", "detail": "90'+5'"}, 2, "90'+5'", "第90+5分钟"),
    ],
)
def test_how_far_a_live_game_is_in_chinese(
    sports: Sports, boards: Boards, league: str, kind: dict[str, str], period: int, shown: str, said: str
) -> None:
    event = game(("Ones", "ONE", 3), ("Others", "OTH", 3), kind=LIVE | kind, period=period, clock=shown)
    boards.put(league, "20261121", event)
    told = found(sports, f"{known()[league].labels['zh']}今天比分")[0]
    assert f"比赛正在进行，{said}（" in told
    assert f"level at 3–3 (live, {kind['detail']}, {known()[league].labels['en']})" in told


def test_other_ends_of_games(sports: Sports, boards: Boards) -> None:
    level = ("Arsenal", "ARS", 1)
    pens = FINAL | {"name": "STATUS_FINAL_PEN", "detail": "FT-Pens"}
    boards.put(
        "soccer/eng.1",
        "20261121",
        game(level, CHELSEA, id="1"),
        game(level, ("Everton", "EVE", 1), kind=pens, shootout=(3, 4), id="12"),
        game(level, ("Fulham", "FUL", 3), kind=FINAL | {"name": "STATUS_FINAL_AET", "detail": "AET"}, id="3"),
        game(("Arsenal", "ARS", None), ("Burnley", "BUR", None), kind=POSTPONED, id="4"),
    )
    told = "\n".join(found(sports, "阿森纳今天比分"))
    assert "Arsenal and Chelsea drew 1–1 (final score, Premier League)" in told
    assert "阿森纳队（Arsenal）与切尔西队（Chelsea）比分1–1打平" in told
    assert "Everton beat Arsenal 4–3 on penalties after 1–1 (final score, Premier League)" in told
    assert "Fulham beat Arsenal 3–1 (final score, after extra time, Premier League)" in told
    assert "The Premier League game of Arsenal against Burnley on Saturday, 21 November 2026" in told
    assert "London, has been postponed." in told
    assert "对阵伯恩利队（Burnley）的比赛已推迟" in told


def test_a_board_is_asked_again_after_a_minute_only_while_a_game_is_live(
    sports: Sports, boards: Boards, clock: Clock
) -> None:
    path = "/apis/site/v2/sports/soccer/eng.1/scoreboard?dates=20261121"
    boards.put("soccer/eng.1", "20261121", game(ARSENAL, CHELSEA, kind=LIVE))
    for moved, requests in ((0, 1), (50, 1), (20, 2)):
        clock.now += moved
        found(sports, "Arsenal score")
        assert len(boards.server.asked(path)) == requests
    boards.put("soccer/eng.1", "20261121", game(("Arsenal", "ARS", 3), CHELSEA))
    clock.now += 61
    assert "3–1" in found(sports, "Arsenal score")[0]
    clock.now += 3000
    found(sports, "Arsenal score")
    assert len(boards.server.asked(path)) == 3


def test_visitors_choose_their_leagues(sports: Sports, boards: Boards) -> None:
    (setting,) = sports.settings
    assert setting.default.split("\n") == list(default())
    assert len(setting.choices) > 12
    assert all(labels["en"] and labels["zh"] for labels in setting.choices.values())
    assert found(sports, "scores today", leagues="hockey/nhl\nbasketball/nba") == found(sports, "NBA games today")
    assert boards.asked() == {"hockey/nhl", "basketball/nba"}
    assert found(sports, "How did Arsenal do?", leagues="hockey/nhl") == []
    assert sports.checked({LEAGUES: " basketball/nba \n\nbasketball/nba"}) == {LEAGUES: "basketball/nba"}
    assert sports.checked({}) == {LEAGUES: setting.default}
    with pytest.raises(InputError, match=r"There is no league “soccer/mars\.1” to choose"):
        sports.checked({LEAGUES: "soccer/mars.1"})


def test_a_league_that_is_named_is_asked_though_it_is_not_among_the_usual(sports: Sports, boards: Boards) -> None:
    boards.empty("soccer/jpn.1")
    boards.put("soccer/jpn.1", "20261121", game(("Kashima Antlers", "KAS", 4), ("Urawa Red Diamonds", "URA", 0)))
    assert "Kashima Antlers beat Urawa" in found(sports, "J1 League scores")[0]


def test_operators_choose_leagues_that_the_file_does_not_know(boards: Boards, clock: Clock) -> None:
    boards.empty("soccer/arg.1")
    boards.put("soccer/arg.1", "20261121", game(("River Plate", "RIV", 1), ("Boca Juniors", "BOC", 0)))
    sports = Sports(boards.url, leagues=["soccer/arg.1"], wall=clock)
    assert "River Plate beat Boca Juniors 1–0 (final score, ARG.1)" in found(sports, "Boca Juniors score")[0]
    assert sports.settings[0].choices["soccer/arg.1"] == {"en": "ARG.1"}
    sports.close()
    with pytest.raises(SettingsError, match=r"“eng\.1” is not spelled sport/league"):
        Sports(boards.url, leagues=["eng.1"])
    with pytest.raises(SettingsError, match="The sports address “ftp://x” cannot be used"):
        Sports("ftp://x")


def test_what_was_excluded_is_not_found_again(sports: Sports) -> None:
    request = SearchRequest("NBA scores yesterday", exclude=frozenset(["sports:basketball/nba:3"]))
    assert all("Lakers" not in passage.text for passage in sports.search(request))


def test_status_says_when_and_how_much(sports: Sports) -> None:
    found(sports, "NBA scores")
    status = sports.status()
    assert status is not None
    assert (status.text, status.zh) == ("18:00 UTC: 2 games of 1 league.", "UTC 18:00：1 个联赛的 2 场比赛。")
    assert not status.failing


def test_names_that_overlap_and_ordinary_words() -> None:
    assert asked("Sacramento Kings").homes == {"basketball/nba"}
    assert asked("Kings score").homes == {"basketball/nba", "hockey/nhl"}
    assert asked("nice heat in the wild").teams == frozenset()
    assert asked("How did Atletico do?").teams == frozenset()
    assert asked("Atletico Madrid").teams == asked("马竞").teams == {"atletico madrid"}
    assert asked("basketball results").leagues == {"basketball/nba", "basketball/wnba"}

"""Sports scores, live: the score boards of the leagues that a question is about, each game one passage.

The boards come from a server in the format of ESPN's site API (`scoreboard.py`); it is asked for leagues and days and
never sees the question. The games of yesterday, today and tomorrow are there. A question that names a team or a league
(`leagues.py`) asks only those leagues; of the games, those that fit most of what it names are kept: the team, then the
league, then the day. BM25 orders the rest of the way.

“Today” is the day on the venue's clock; a Chinese question may also mean China's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from errors import InputError, SettingsError, SourceError
from retrieval.address import host_of, names_of, parsed
from retrieval.base import Passage, SearchRequest, Setting, SourceStatus
from retrieval.bm25 import bm25
from retrieval.cache import Cache
from retrieval.fetch import BrokenOffError, Cancelled, Fetcher, Limits, StatusError
from retrieval.game_texts import local_start, text, title
from retrieval.leagues import LEAGUE_ID, Asked, League, asked, default, key, known, league
from retrieval.pace import Pace
from retrieval.pause import Pause, PausedError
from retrieval.scoreboard import Game, MalformedError, games
from retrieval.text import language as language_of

URL = "https://site.api.espn.com/apis/site/v2/sports"
LEAGUES = "leagues"
"""Name of the visitor's setting."""
USER_AGENT = "Groundchat/0.1 (self-hosted chat app)"

_FETCHING_SHARE = 0.9  # of the time limit; the rest is for ranking
_LIVE_TTL_S, _TTL_S, _OVER_TTL_S = 60.0, 600.0, 3600.0
_AT_ONCE = 8
_MOST_LEAGUES = 40
_BOARD_DAY = ZoneInfo("America/New_York")
"""On whose clock the days of the score board are."""
_CHINA = ZoneInfo("Asia/Shanghai")
_TEAM, _LEAGUE, _DAY, _TENSE = 8.0, 4.0, 2.0, 1.0
"""What a game is worth for fitting the question, beside its BM25 score below 1."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of the last search that asked the server."""

    at: float
    games: int = 0
    leagues: int = 0
    failure: SourceError | None = None
    """Why none could be had, or those that are missing."""
    missing: tuple[str, ...] = ()
    """Ids of leagues of which no score board could be had, or not each."""


class Sports:
    """Passages of games; a `Retriever` and a `Live`. Safe to call from several threads.

    `url` is the operator's choice and may lie inside the network. `leagues` are the ids that are asked where a visitor
    has not chosen; the data file's where empty. `wall` gives Unix time, `clock` seconds. Raises `SettingsError` for an
    address or a league that cannot be.
    """

    name = "sports"

    def __init__(
        self,
        url: str = URL,
        *,
        leagues: Iterable[str] = (),
        user_agent: str = USER_AGENT,
        cache_folder: Path | None = None,
        pace: Pace | None = None,
        time_limit_s: float = 6.0,
        max_bytes: int = 8 * 2**20,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._url = url.rstrip("/")
        try:
            address = parsed(self._url)
        except SourceError as error:
            raise SettingsError(f"The sports address “{url}” cannot be used; give one such as {URL}.") from error
        self._host = host_of(address)
        chosen = tuple(dict.fromkeys(leagues)) or default()
        for one in chosen:
            if not LEAGUE_ID.fullmatch(one):
                raise SettingsError(f"The league “{one}” is not spelled sport/league; give one such as soccer/eng.1.")
        self._default = chosen
        self._time_limit_s = time_limit_s
        self._wall = wall
        self._fetcher = Fetcher(
            user_agent,
            allowed_hosts=[names_of(address)[1]],
            limits=Limits(seconds=time_limit_s, bytes=max_bytes),
            pace=pace,
        )
        self._cache = Cache(cache_folder, clock=wall)
        self._pause = Pause("Sports scores", "体育比分", clock)
        self._last: _Outcome | None = None

    @property
    def settings(self) -> tuple[Setting, ...]:
        offered = dict.fromkeys([*self._default, *known()])
        return (
            Setting(
                name=LEAGUES,
                labels={"en": "Leagues", "zh": "联赛"},
                hints={
                    "en": "Whose scores are asked for. A question that names one of them asks only that one.",
                    "zh": "查询哪些联赛的比分。问题中提到某个联赛时，只查询该联赛。",
                },
                default="\n".join(self._default),
                choices=MappingProxyType({one: league(one).labels for one in offered}),
            ),
        )

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        chosen = dict.fromkeys(line.strip() for line in settings.get(LEAGUES, "").splitlines() if line.strip())
        offered = self.settings[0].choices
        for one in chosen:
            if one not in offered:
                shown = one[:60]
                raise InputError(
                    f"There is no league “{shown}” to choose; choose from those that are listed.",
                    zh=f"没有名为“{shown}”的联赛，请从列表中选择。",
                )
        return {LEAGUES: "\n".join(list(chosen)[:_MOST_LEAGUES])} if chosen else {LEAGUES: self.settings[0].default}

    def status(self) -> SourceStatus | None:
        last = self._last
        if last is None:
            return None
        at = datetime.fromtimestamp(last.at, UTC)
        if last.failure is not None:
            lacks, lacks_zh = (", ".join(league(one).labels[code] for one in last.missing) for code in ("en", "zh"))
            return SourceStatus(
                f"{at:%H:%M} UTC: {f'not all scores of {lacks}: ' if lacks else ''}{last.failure}",
                f"UTC {at:%H:%M}：{f'缺少部分比分（{lacks_zh}）：' if lacks else ''}{last.failure.told('zh')}",
                failing=True,
            )
        return SourceStatus(
            f"{at:%H:%M} UTC: {last.games} game{'s' * (last.games != 1)} of {last.leagues} "
            f"league{'s' * (last.leagues != 1)}.",
            f"UTC {at:%H:%M}：{last.leagues} 个联赛的 {last.games} 场比赛。",
        )

    def search(self, request: SearchRequest) -> list[Passage]:
        """The games that the question may be about, best first; none when it is cancelled.

        Raises `SourceError` when no league could be had, `InputError` for leagues that there are not.
        """
        deadline = time.monotonic() + request.remaining(self._time_limit_s) * _FETCHING_SHARE
        wanted = asked(request.query)
        leagues = self._leagues(wanted, request.settings)
        if not leagues:
            return []
        try:
            found, failures = self._games(leagues, deadline, request.cancel)
        except Cancelled:
            return []
        except SourceError as error:
            if not isinstance(error, PausedError):
                self._pause.failed()
            self._last = _Outcome(self._wall(), failure=error)
            raise
        self._pause.succeeded()
        why = next(iter(failures.values()), None)
        self._last = _Outcome(self._wall(), len(found), len(leagues), why, tuple(failures))
        return self._passages(found, wanted, request)

    def close(self) -> None:
        """Close connections and the cache file."""
        self._fetcher.close()
        self._cache.close()

    def _leagues(self, wanted: Asked, settings: Mapping[str, str]) -> list[str]:
        """Ids of the leagues to ask: the visitor's, of those the ones that the question names.

        One that is named is asked although it is not among the usual ones, unless the visitor has chosen others.
        """
        chosen = self.checked(settings)[LEAGUES].split("\n")
        named = wanted.leagues or wanted.homes
        if wanted.leagues and wanted.homes:
            named = wanted.leagues & wanted.homes or wanted.leagues | wanted.homes
        if not named:
            return chosen
        theirs = [one for one in chosen if one in named]
        return theirs or (sorted(named) if chosen == list(self._default) else [])

    def _games(
        self, leagues: list[str], deadline: float, cancel: threading.Event
    ) -> tuple[list[Game], dict[str, SourceError]]:
        """The games of these leagues on the days around today, and by league why a board of it could not be had.

        Raises `SourceError` only when no board could be had.
        """
        boards = [(one, day) for one in leagues for day in _days(self._wall())]
        found: dict[tuple[str, str], Game] = {}
        failures: list[tuple[str, SourceError]] = []
        with ThreadPoolExecutor(min(_AT_ONCE, len(boards)), thread_name_prefix="sports") as pool:
            asking = [(one, pool.submit(self._board, one, day, deadline, cancel)) for one, day in boards]
            for one, board in asking:
                try:
                    found |= {(game.league, game.id): game for game in board.result()}
                except SourceError as error:
                    failures.append((one, error))
        # One that is left alone now was left alone for what the others say.
        failures.sort(key=lambda failure: isinstance(failure[1], PausedError))
        if len(failures) == len(boards):
            raise failures[0][1]
        return list(found.values()), {one: next(why for of, why in failures if of == one) for one, _ in failures}

    def _board(self, league_id: str, day: date, deadline: float, cancel: threading.Event) -> list[Game]:
        """The games of a league on a day, from the cache where they are still good. Raises `SourceError`."""
        url = f"{self._url}/{league_id}/scoreboard?dates={day:%Y%m%d}"
        kept = self._cache.get(url)
        if kept is not None:
            try:
                return games(kept, league_id)
            except MalformedError:  # a damaged cache is asked again
                pass
        self._pause.check()
        try:
            body = self._fetched(url, deadline, cancel)
            found = games(body, league_id)
        except MalformedError as error:
            raise self._malformed() from error
        except StatusError as error:
            if error.status == 429 or error.retry_after_s:
                raise self._pause.slow_down(error.retry_after_s) from error
            raise
        self._cache.put(url, body, _ttl_s(found, self._wall()))
        return found

    def _fetched(self, url: str, deadline: float, cancel: threading.Event) -> bytes:
        """The body at `url`; one that broke off gets a second try."""
        try:
            return self._fetcher.get(url, accept="application/json", deadline=deadline, cancel=cancel).body
        except BrokenOffError:
            return self._fetcher.get(url, accept="application/json", deadline=deadline, cancel=cancel).body

    def _malformed(self) -> SourceError:
        return SourceError(
            f"What {self._host} sent is not a score board; try again later, or check --sports-url.",
            zh=f"{self._host} 返回的内容不是比分数据，请稍后再试，或检查 --sports-url。",
        )

    def _passages(self, found: list[Game], wanted: Asked, request: SearchRequest) -> list[Passage]:
        """The games that fit the question best, best first."""
        code = request.language or language_of(request.query)
        code = "zh" if code.split("-")[0] == "zh" else "en"
        now = datetime.fromtimestamp(self._wall(), UTC)
        kept: list[tuple[Game, Passage]] = []
        for game in found:
            passage = _passage(game, league(game.league), code, now)
            if not {passage.id, passage.document} & request.exclude:
                kept.append((game, passage))
        # Who, which league and where: every sentence speaks of scores and days, which says nothing for one game.
        heard = [" ".join((p.title, *g.home.names, *g.away.names, g.venue, g.city)) for g, p in kept]
        scores = bm25(request.query, code, heard)
        most = max(scores, default=0.0) or 1.0
        fits = [_fit(game, wanted, code, now) for game, _ in kept]
        best = max(fits, default=0.0)
        ranked = [
            replace(passage, score=fit + 0.99 * score / most)
            for (_, passage), score, fit in zip(kept, scores, fits, strict=True)
            if _tier(fit) == _tier(best) and (fit >= _LEAGUE or score or wanted.games)
        ]
        return sorted(ranked, key=lambda passage: -passage.score)[: request.k]


def _passage(game: Game, of: League, code: str, now: datetime) -> Passage:
    document, said = f"sports:{of.id}:{game.id}", text(game, of, code, now)
    return Passage(
        id=f"{document}#0",
        text=said,
        title=title(game, of, code),
        source=Sports.name,
        document=document,
        url=game.url,
        language=code,
        end=len(said),
    )


def _fit(game: Game, wanted: Asked, code: str, now: datetime) -> float:
    """How much of what the question names the game has."""
    sides = (game.home, game.away)
    teams = sum(any(key(name) in wanted.teams for name in side.names) for side in sides)
    if not teams:
        teams = sum(side.abbreviation in wanted.abbreviations for side in sides)
    fit = _TEAM * teams + _LEAGUE * (game.league in wanted.leagues)
    if wanted.days:
        zones = [local_start(game, league(game.league)).tzinfo, *([_CHINA] if code == "zh" else [])]
        days = {(game.start.astimezone(zone).date() - now.astimezone(zone).date()).days for zone in zones}
        fit += _DAY * bool(days & wanted.days)
    if wanted.over != wanted.coming:
        fit += _TENSE * ((game.state != "pre") == wanted.over)
    return fit


def _tier(fit: float) -> float:
    """What of the fit counts more than words do: all but the tense, which a time named in the question may belie."""
    return fit // _DAY


def _days(now: float) -> list[date]:
    """The score board's days that hold yesterday, today and tomorrow, in UTC and on its own clock."""
    moment = datetime.fromtimestamp(now, UTC)
    todays = {moment.date(), moment.astimezone(_BOARD_DAY).date()}
    return sorted({day + timedelta(days=off) for day in todays for off in (-1, 0, 1)})


def _ttl_s(found: list[Game], now: float) -> float:
    """How long a board is good: a minute while a game is live or about to begin, an hour when all are over."""
    if any(game.state == "in" for game in found):
        return _LIVE_TTL_S
    starts = [game.start.timestamp() for game in found if game.state == "pre"]
    if not starts:
        return _OVER_TTL_S if found else _TTL_S
    return min(max(min(starts) - now, _LIVE_TTL_S), _TTL_S)

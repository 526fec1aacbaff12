"""A score board's JSON into games: the format of ESPN's site API, `{sport}/{league}/scoreboard?dates=YYYYMMDD`.

`events` hold `competitions`, those two `competitors` each (a team or an athlete, with a score once there is one), a
`status` (`type.state` is pre, in or post) and a `venue`. Nothing of it is documented by its makers, so everything is
checked: a game that is not in that form is left out, an answer without any is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from errors import SourceError
from retrieval.address import parsed

_MOST_CHARS = 120
_MOST_GAMES = 1000


class MalformedError(Exception):
    """The answer is not a score board's."""


@dataclass(frozen=True, slots=True)
class Side:
    name: str
    names: tuple[str, ...]
    """All that it is called, abbreviation included."""
    abbreviation: str
    score: str
    """Empty where there is none yet."""
    shootout: str
    won: bool
    home: bool


@dataclass(frozen=True, slots=True)
class Game:
    id: str
    league: str
    """Id of the league: `soccer/eng.1`."""
    home: Side
    """The side that stands first: at home, or named first on neutral ground."""
    away: Side
    start: datetime
    """In UTC."""
    timed: bool
    """Whether the time of day is known."""
    state: str
    """`pre`, `in` or `post`."""
    status: str
    """Name of the status: `STATUS_FINAL`, `STATUS_POSTPONED`, …"""
    detail: str
    """The status in the score board's words."""
    completed: bool
    clock: str
    period: int
    venue: str
    city: str
    region: str
    country: str
    url: str


def games(body: bytes, league: str) -> list[Game]:
    """The games of an answer, each once. Raises `MalformedError`."""
    try:
        answer = orjson.loads(body)
    except ValueError as error:
        raise MalformedError from error
    events = answer.get("events") if isinstance(answer, dict) else None
    if not isinstance(events, list):
        raise MalformedError
    found = {game.id: game for event in events[:_MOST_GAMES] for game in _games_of(event, league)}
    if events and not found and not any(_has_field(event) for event in events):
        raise MalformedError
    return list(found.values())


def _has_field(event: object) -> bool:
    """Whether an event is a contest of more than two: a race, a golf tournament."""
    return isinstance(event, dict) and isinstance(event.get("competitions"), list)


def _games_of(event: Any, league: str) -> Iterator[Game]:
    for competition in _list(event, "competitions"):
        game = _game(event, competition, league)
        if game is not None:
            yield game


def _game(event: Any, competition: Any, league: str) -> Game | None:
    sides = [_side(one) for one in _list(competition, "competitors")]
    first, second = sides if len(sides) == 2 else (None, None)
    start = _time(_text(competition, "date") or _text(event, "date"))
    status = _dict(competition, "status") or _dict(event, "status")
    kind = _dict(status, "type")
    state = _text(kind, "state")
    if first is None or second is None or start is None or state not in ("pre", "in", "post"):
        return None
    if second.home and not first.home:
        first, second = second, first
    venue = _dict(competition, "venue")
    address = _dict(venue, "address")
    period = status.get("period")
    return Game(
        id=_text(competition, "id") or _text(event, "id") or f"{first.name} {second.name} {start:%Y%m%d}",
        league=league,
        home=first,
        away=second,
        start=start,
        timed=competition.get("timeValid") is not False,
        state=state,
        status=_text(kind, "name"),
        detail=_text(kind, "detail") or _text(kind, "shortDetail") or _text(kind, "description"),
        completed=kind.get("completed") is True,
        clock=_text(status, "displayClock"),
        period=period if isinstance(period, int) and 0 < period < 100 else 0,
        venue=_text(venue, "fullName"),
        city=_text(address, "city"),
        region=_text(address, "state"),
        country=_text(address, "country"),
        url=_page(event),
    )


def _side(competitor: Any) -> Side | None:
    who = _dict(competitor, "team") or _dict(competitor, "athlete")
    name = _text(who, "displayName") or _text(who, "name")
    if not name:
        return None
    abbreviation = _text(who, "abbreviation")
    called = (name, _text(who, "shortDisplayName"), _text(who, "name"), _text(who, "location"), abbreviation)
    return Side(
        name=name,
        names=tuple(dict.fromkeys(filter(None, called))),
        abbreviation=abbreviation,
        score=_number(competitor.get("score")),
        shootout=_number(competitor.get("shootoutScore")),
        won=competitor.get("winner") is True,
        home=competitor.get("homeAway") == "home",
    )


def _number(value: Any) -> str:
    """A score as it is shown; cricket's have strokes in them."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 20 and text[:1].isdigit() else ""


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    # A zone's offset is added to it later, so the ends of the calendar are out of reach.
    return found.astimezone(UTC) if found.tzinfo and 1900 < found.year < 3000 else None


def _page(event: Any) -> str:
    """The game's own page, where the event links to one that can be opened."""
    for link in _list(event, "links"):
        url = link.get("href") if isinstance(link, dict) else None
        if isinstance(url, str):
            try:
                parsed(url)
            except SourceError:
                continue
            return url
    return ""


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _dict(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: Any, name: str) -> str:
    """One line of printable text, not too long; empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in found[: 4 * _MOST_CHARS]).split())[:_MOST_CHARS]

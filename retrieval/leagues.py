"""Leagues, teams and days: what a question about games names, and where a venue's clock stands. Data: `leagues.toml`.

Latin names are found as whole words, whatever their case unless they are ordinary words too; Chinese names wherever
they stand. Of names that overlap the longest counts: “Sacramento Kings” says nothing of the Kings of Los Angeles.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from retrieval.text import HAN, fold_accents, simplified

LEAGUE_ID = re.compile(r"[a-z0-9-]{2,40}/[a-z0-9.-]{2,40}")
"""`sport/league`, as it stands in the score board's address."""
_FILE = Path(__file__).parent / "leagues.toml"
_HAN = re.compile(f"[{HAN}]")
_ABBREVIATION = re.compile(r"\b[A-Z][A-Z0-9]{1,3}\b")


@dataclass(frozen=True, slots=True)
class League:
    id: str
    labels: Mapping[str, str]
    zone: str = "Etc/UTC"

    @property
    def sport(self) -> str:
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question about games names."""

    teams: frozenset[str]
    """Teams, as the score board calls them, in lower case."""
    leagues: frozenset[str]
    """Ids of the leagues that are named."""
    homes: frozenset[str]
    """Ids of the leagues in which the named teams are known to play."""
    abbreviations: frozenset[str]
    """What may be a team's abbreviation: the question's short words in capitals."""
    days: frozenset[int]
    """Days after today."""
    games: bool
    """Whether it asks for games in general."""
    over: bool
    coming: bool


@dataclass(frozen=True, slots=True)
class _Names:
    """Names with what they mean: (league, team), or a league and no team."""

    meanings: Mapping[str, tuple[tuple[str, str], ...]]
    pattern: re.Pattern[str]

    def found(self, question: str) -> Iterator[tuple[str, str]]:
        for match in self.pattern.finditer(_folded(question)):
            name = match[0].lower()
            if name in _book().ordinary and not match[0][0].isupper():
                continue
            yield from self.meanings[name]


@dataclass(frozen=True, slots=True)
class _Book:
    leagues: Mapping[str, League]
    default: tuple[str, ...]
    ordinary: frozenset[str]
    names: _Names
    chinese: Mapping[str, str]
    """Teams in lower case with their names in Chinese."""
    asking: Mapping[str, re.Pattern[str]]
    days: Mapping[int, re.Pattern[str]]
    states: Mapping[str, str]
    countries: Mapping[str, str]


def known() -> Mapping[str, League]:
    """The leagues of the data file, by id."""
    return _book().leagues


def default() -> tuple[str, ...]:
    """Ids of those that are asked where nobody has chosen."""
    return _book().default


def league(league_id: str) -> League:
    """A league by its id; one that the file does not know goes by the last part of its id."""
    return known().get(league_id) or League(league_id, {"en": league_id.partition("/")[2].upper()})


def asked(question: str) -> Asked:
    """What the question names."""
    book = _book()
    found = list(book.names.found(question))
    simple = simplified(question)
    named = {name for name, wanted in book.asking.items() if wanted.search(simple)}
    return Asked(
        teams=frozenset(team for _, team in found if team),
        leagues=frozenset(league for league, team in found if not team),
        homes=frozenset(league for league, team in found if team),
        abbreviations=frozenset(_ABBREVIATION.findall(question)) if question.upper() != question else frozenset(),
        days=frozenset(day for day, wanted in book.days.items() if wanted.search(simple)),
        games="games" in named,
        over="over" in named,
        coming="coming" in named,
    )


def chinese(team: str) -> str:
    """What a team is called in Chinese; empty where the file does not say."""
    return _book().chinese.get(_folded(team).lower(), "")


def key(team: str) -> str:
    """A team as `Asked.teams` has it."""
    return _folded(team).lower()


def zone_of(league: League, state: str, country: str) -> ZoneInfo:
    """The time zone of a venue, by its address; the league's where that does not say."""
    book = _book()
    return ZoneInfo(book.states.get(state) or book.countries.get(country) or league.zone)


def _folded(text: str) -> str:
    return fold_accents(text if text.isascii() else simplified(text))


@cache
def _book() -> _Book:
    data = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    leagues: dict[str, League] = {}
    meanings: dict[str, dict[tuple[str, str], None]] = {}
    chinese: dict[str, str] = {}

    def means(names: Iterable[str], league_id: str, team: str) -> None:
        for name in names:
            meanings.setdefault(key(name), {})[league_id, team] = None

    for row in data["league"]:
        found = League(row["id"], {"en": row["en"], "zh": row["zh"]}, row["zone"])
        leagues[found.id] = found
        means([row["en"], row["zh"], *row["names"].split("|")], found.id, "")
        for line in row.get("teams", "").strip().splitlines():
            name, _, others = line.partition(" = ")
            names = others.split("|")
            means([name, *names], found.id, key(name))
            zh = [other for other in names if _HAN.match(other)]
            if zh:
                chinese.setdefault(key(name), zh[0])
    for sport, names in data["sports"].items():
        for found in leagues.values():
            if found.sport == sport:
                means(names.split("|"), found.id, "")
    return _Book(
        leagues=leagues,
        default=tuple(data["default"]),
        ordinary=frozenset(data["ordinary"].split()),
        names=_Names({name: tuple(those) for name, those in meanings.items()}, _any_of(meanings)),
        chinese=chinese,
        asking={name: _words(pattern) for name, pattern in data["asking"].items()},
        days={int(day): _words(pattern) for day, pattern in data["days"].items()},
        states={state: zone for zone, states in data["states"].items() for state in states.split()},
        countries={one: zone for zone, countries in data["countries"].items() for one in countries.split("|")},
    )


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """The longest of the names at each place, as whole words where they are in Latin letters."""
    ordered = sorted(names, key=len, reverse=True)
    latin = "|".join(re.escape(name) for name in ordered if not _HAN.search(name))
    han = "|".join(re.escape(name) for name in ordered if _HAN.search(name))
    return re.compile(rf"{han}|(?<![A-Za-z0-9])(?:{latin})(?![A-Za-z0-9])", re.IGNORECASE)


def _words(pattern: str) -> re.Pattern[str]:
    """Alternatives in English as whole words, and in Chinese anywhere."""
    latin = "|".join(part for part in pattern.split("|") if not _HAN.search(part))
    han = "|".join(part for part in pattern.split("|") if _HAN.search(part))
    return re.compile(rf"\b(?:{latin})\b|{han}" if han else rf"\b(?:{latin})\b", re.IGNORECASE)

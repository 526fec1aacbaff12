"""Score boards as ESPN's site API sends them, for tests: games in every state, on a server of this machine.

with WebServer() as server:
    Boards(server).put("soccer/eng.1", "20261121", game(("Arsenal", "ARS", 2), ("Chelsea", "CHE", 1)))
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.web_server import Answer, Page, WebServer

Side = tuple[str, str, int | None]
"""Name, abbreviation, score."""

FINAL = {"name": "STATUS_FULL_TIME", "state": "post", "completed": True, "detail": "FT"}
SCHEDULED = {"name": "STATUS_SCHEDULED", "state": "pre", "completed": False, "detail": "Scheduled"}
LIVE = {"name": "STATUS_SECOND_HALF", "state": "in", "completed": False, "detail": "67'"}
POSTPONED = {"name": "STATUS_POSTPONED", "state": "post", "completed": False, "detail": "Postponed"}


def game(
    home: Side,
    away: Side,
    start: str = "2026-11-21T15:00Z",
    kind: dict[str, Any] = FINAL,
    *,
    period: int = 2,
    clock: str = "90'",
    venue: tuple[str, str, str] = ("Emirates Stadium", "London", "England"),
    shootout: tuple[int, int] | None = None,
    id: str = "",
) -> dict[str, Any]:
    """An event with one competition between a home and an away team, as they stand in `events`."""
    id = id or str(abs(hash((home[0], away[0], start))) % 10**9)
    status = {
        "clock": 5400.0,
        "displayClock": clock,
        "period": period,
        "type": {"id": "28", "description": kind["detail"], "shortDetail": kind["detail"], **kind},
    }
    marks = [(side[2] or 0, shootout[i] if shootout else 0) for i, side in enumerate((home, away))]
    competitors: list[dict[str, Any]] = [
        {
            "id": str(100 + i),
            "type": "team",
            "order": i,
            "homeAway": ("home", "away")[i],
            **({"winner": marks[i] > marks[1 - i]} if kind["state"] == "post" else {}),
            "score": "0" if side[2] is None else str(side[2]),
            **({"shootoutScore": shootout[i]} if shootout else {}),
            "statistics": [],
            "team": {
                "id": str(100 + i),
                "abbreviation": side[1],
                "displayName": side[0],
                "shortDisplayName": side[0].split()[-1],
                "name": side[0].split()[-1],
                "location": " ".join(side[0].split()[:-1]) or side[0],
                "logo": "https://a.espncdn.com/i/teamlogos/500/100.png",
            },
        }
        for i, side in enumerate((home, away))
    ]
    place: dict[str, str] = {"city": venue[1]}
    place["state" if len(venue[2]) == 2 else "country"] = venue[2]
    return {
        "id": id,
        "uid": f"s:600~e:{id}",
        "date": start,
        "name": f"{away[0]} at {home[0]}",
        "shortName": f"{away[1]} @ {home[1]}",
        "competitions": [
            {
                "id": id,
                "date": start,
                "timeValid": True,
                "neutralSite": False,
                "competitors": competitors,
                "venue": {"id": "118", "fullName": venue[0], "address": place},
                "status": status,
            }
        ],
        "status": status,
        "links": [
            {
                "rel": ["summary", "desktop", "event"],
                "href": f"https://www.espn.com/game/_/gameId/{id}",
                "text": "Summary",
            }
        ],
    }


def board(*events: dict[str, Any]) -> bytes:
    leagues = [{"id": "23", "name": "English Premier League", "abbreviation": "PREM", "slug": "eng.1"}]
    return json.dumps({"leagues": leagues, "day": {"date": "2026-11-21"}, "events": list(events)}).encode()


@dataclass(frozen=True, slots=True)
class Boards:
    """The boards of a web server; those that nobody has put there are empty."""

    server: WebServer

    @property
    def url(self) -> str:
        return self.server.url("/apis/site/v2/sports")

    def put(self, league: str, day: str, *events: dict[str, Any]) -> None:
        self.answer(league, day, Page(board(*events), {"Content-Type": "application/json;charset=UTF-8"}))

    def answer(self, league: str, day: str, answer: Answer) -> None:
        self.server.pages[f"/apis/site/v2/sports/{league}/scoreboard?dates={day}"] = answer

    def empty(self, *leagues: str) -> None:
        """Boards of these leagues for the days around 21 November 2026."""
        for league in leagues:
            for day in ("20261120", "20261121", "20261122"):
                self.put(league, day)

    def asked(self) -> set[str]:
        """The leagues that were asked for."""
        return {"/".join(seen.path.split("/")[5:7]) for seen in self.server.requests}

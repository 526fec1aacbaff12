"""A game in one or two sentences, in English and Chinese: who, the score, how it stands, the league, when and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from retrieval.leagues import League, chinese, zone_of
from retrieval.scoreboard import Game, Side

_OFF = {
    "POSTPONED": ("has been postponed", "已推迟"),
    "CANCELED": ("has been cancelled", "已取消"),
    "CANCELLED": ("has been cancelled", "已取消"),
    "ABANDONED": ("was abandoned", "已中止"),
    "SUSPENDED": ("has been suspended", "已中断"),
    "DELAYED": ("is delayed", "已延迟"),
    "RAIN_DELAY": ("is delayed by rain", "因雨延迟"),
    "FORFEIT": ("was forfeited", "已弃权"),
}
"""What has become of a game that was not played as planned, by the name of its status."""
_BROKEN_OFF = ("ABANDONED", "SUSPENDED", "DELAYED", "RAIN_DELAY")
_PAUSES = {
    "STATUS_HALFTIME": "中场休息",
    "STATUS_END_PERIOD": "节间休息",
    "STATUS_SHOOTOUT": "点球大战",
    "STATUS_OVERTIME": "加时",
}
_MINUTE = re.compile(r"(\d{1,3})'(?:\s*\+\s*(\d{1,2})'?)?")
_INNING = re.compile(r"(Top|Bottom|Bot|Middle|Mid|End)\b\D{0,12}(\d{1,2})", re.IGNORECASE)
_INNINGS = {"top": "上半", "bot": "下半", "mid": "中段", "end": "结束"}
_PERIODS: Mapping[str, tuple[int, str]] = {
    "basketball": (4, "第{}节"),
    "football": (4, "第{}节"),
    "hockey": (3, "第{}节"),
    "baseball": (99, "第{}局"),
}
_WEEKDAYS = "一二三四五六日"
_EVENING = 17


@dataclass(frozen=True, slots=True)
class _When:
    """When a game begins, where it is played and in UTC."""

    local: datetime
    utc: datetime
    timed: bool
    days: int
    """Days after today, on the venue's clock."""

    def english(self) -> str:
        local, utc = self.local, self.utc
        said = {-1: " (yesterday)", 0: " (today)", 1: " (tomorrow)"}.get(self.days, "")
        date = f"{local:%A}, {local.day} {local:%B} {local.year}{said}"
        if not self.timed:
            return f"on {date}, at a time that is not fixed yet"
        there = "" if utc.date() == local.date() else f" on {utc.day} {utc:%B}"
        zone = local.tzname() or ""
        if zone == "UTC":
            return f"on {date}, at {local:%H:%M} UTC"
        zone = f"UTC{zone}" if zone[:1] in "+-" else zone
        return f"on {date}, at {local:%H:%M} {zone} ({utc:%H:%M} UTC{there})"

    def chinese(self) -> str:
        local, utc = self.local, self.utc
        evening = self.timed and local.hour >= _EVENING
        said = {-1: "，昨晚" if evening else "，昨天", 0: "，今晚" if evening else "，今天", 1: "，明天"}.get(
            self.days, ""
        )
        date = f"{local.year}年{local.month}月{local.day}日（周{_WEEKDAYS[local.weekday()]}{said}）"
        if not self.timed:
            return f"{date}，时间待定"
        there = "" if utc.date() == local.date() else f"{utc.month}月{utc.day}日 "
        return f"{date}当地时间 {local:%H:%M}（UTC {there}{utc:%H:%M}）"


def local_start(game: Game, league: League) -> datetime:
    """When the game begins, on the clock of its venue."""
    return game.start.astimezone(zone_of(league, game.region, game.country))


def title(game: Game, league: League, language: str) -> str:
    if language == "zh":
        return f"{_zh(game.home)}对{_zh(game.away)}，{league.labels.get('zh', league.labels['en'])}"
    return f"{game.home.name} – {game.away.name}, {league.labels['en']}"


def text(game: Game, league: League, language: str, now: datetime) -> str:
    """What there is to say of the game; in Chinese, too, where that is the question's language. `now` is in UTC."""
    local = local_start(game, league)
    when = _When(local, game.start, game.timed, (local.date() - now.astimezone(local.tzinfo).date()).days)
    english = _english(game, league.labels["en"], when, now)
    if language != "zh":
        return english
    return f"{_chinese(game, league.labels.get('zh', league.labels['en']), when, now)}\n{english}"


def off(game: Game) -> tuple[str, str] | None:
    """What has become of a game that is not played as planned, in English and Chinese."""
    return None if game.completed else _OFF.get(game.status.removeprefix("STATUS_"))


def _english(game: Game, league: str, when: _When, now: datetime) -> str:
    home, away, place = game.home, game.away, _place(game)
    at = f", at {place}" if place else ""
    gone = off(game)
    if gone:
        stood = f" It stood at {_score(home, away)}." if _begun(game) else ""
        return f"The {league} game of {home.name} against {away.name} {when.english()}{at}, {gone[0]}.{stood}"
    if game.state == "pre" or not _scored(game):
        plays = "play" if game.state == "pre" else "played" if game.completed else "are playing"
        known = "scheduled" if game.state == "pre" else game.detail or "no score is given"
        return f"{home.name} {plays} {away.name} ({known}, {league}) {when.english()}{at}."
    first, second = _in_order(game)
    if game.state == "in":
        level = home.score == away.score
        stands = (
            f"{home.name} and {away.name} are level at {_score(home, away)}"
            if level
            else f"{first.name} lead {second.name} {_score(first, second)}"
        )
        detail = f", {game.detail}" if game.detail else ""
        return f"{stands} (live{detail}, {league}) as of {now:%H:%M} UTC; the game began {when.english()}{at}."
    how = f"final score{_extra(game, ', after extra time', ', after overtime')}, {league}"
    if first.shootout and second.shootout:
        pens = f"{first.shootout}–{second.shootout} on penalties after {_score(first, second)}"
        return f"{first.name} beat {second.name} {pens} ({how}) {when.english()}{at}."
    if home.score == away.score:
        return f"{home.name} and {away.name} drew {_score(home, away)} ({how}) {when.english()}{at}."
    return f"{first.name} beat {second.name} {_score(first, second)} ({how}) {when.english()}{at}."


def _chinese(game: Game, league: str, when: _When, now: datetime) -> str:
    home, away, place = game.home, game.away, _place(game)
    at = f"，地点：{place}" if place else ""
    begins = f"{league}，{when.chinese()}"
    gone = off(game)
    if gone:
        stood = f"，当时比分 {_score(home, away)}" if _begun(game) else ""
        return f"{begins}：{_zh(home)}对阵{_zh(away)}的比赛{gone[1]}{stood}{at}。"
    if game.state == "pre" or not _scored(game):
        how = {"pre": "尚未开赛", "in": "正在进行", "post": "已结束"}[game.state]
        return f"{begins}：{_zh(home)}对阵{_zh(away)}，{how}{at}。"
    first, second = _in_order(game)
    if game.state == "in":
        stands = (
            f"{_zh(home)}与{_zh(away)}{_score(home, away)}战平"
            if home.score == away.score
            else f"{_zh(first)}{_score(first, second)}领先{_zh(second)}"
        )
        return f"{begins}开赛：{stands}，比赛正在进行{_stage(game)}（截至 UTC {now:%H:%M}）{at}。"
    extra = _extra(game, "（加时）", "（加时）")
    if first.shootout and second.shootout:
        pens = f"点球大战{first.shootout}–{second.shootout}战胜{_zh(second)}，此前{_score(first, second)}战平"
        return f"{begins}：{_zh(first)}{pens}，比赛结束{at}。"
    if home.score == away.score:
        return f"{begins}：{_zh(home)}与{_zh(away)}比分{_score(home, away)}打平{extra}，比赛结束{at}。"
    return f"{begins}：{_zh(first)}以比分{_score(first, second)}战胜{_zh(second)}{extra}，比赛结束{at}。"


def _stage(game: Game) -> str:
    """How far a live game is, in Chinese."""
    if game.status in _PAUSES:
        return f"，{_PAUSES[game.status]}"
    minute = _MINUTE.search(game.detail) or _MINUTE.search(game.clock)
    if minute:
        return f"，第{minute[1]}{f'+{minute[2]}' if minute[2] else ''}分钟"
    inning = _INNING.search(game.detail)
    if inning:
        return f"，第{inning[2]}局{_INNINGS[inning[1][:3].lower()]}"
    regular, wording = _PERIODS.get(game.league.partition("/")[0], (99, "第{}阶段"))
    if not game.period:
        return ""
    clock = f" {game.clock}" if game.clock else ""
    return f"，{wording.format(game.period) if game.period <= regular else '加时'}{clock}"


def _extra(game: Game, extra_time: str, overtime: str) -> str:
    if "AET" in game.status or "AET" in game.detail:
        return extra_time
    return overtime if re.search(r"\b\d?OT\b", game.detail) else ""


def _in_order(game: Game) -> tuple[Side, Side]:
    """The side that won or leads, then the other."""
    home, away = game.home, game.away
    ahead = away.won or (not home.won and _points(away) > _points(home))
    return (away, home) if ahead else (home, away)


def _points(side: Side) -> tuple[float, float]:
    return _value(side.score), _value(side.shootout)


def _value(score: str) -> float:
    digits = re.match(r"\d{1,9}", score)
    return float(digits[0]) if digits else 0.0


def _scored(game: Game) -> bool:
    return bool(game.home.score and game.away.score)


def _begun(game: Game) -> bool:
    """Whether a game that was broken off had begun: those that were put off come with a score, too."""
    return _scored(game) and game.state != "pre" and game.status.removeprefix("STATUS_") in _BROKEN_OFF


def _score(one: Side, other: Side) -> str:
    return f"{one.score}–{other.score}"


def _zh(side: Side) -> str:
    name = chinese(side.name)
    return f"{name.removesuffix('队')}队（{side.name}）" if name else side.name


def _place(game: Game) -> str:
    parts = [game.venue, game.city]
    return ", ".join(part for part in parts if part)

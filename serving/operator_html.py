"""The operator's page as HTML, everything escaped. It holds no script and fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from chat.flags import category_name, how_sure
from chat.rating import Reason, reasons_in_words
from chat.ratings import Count as RatingCount
from moderation.base import Action, Level
from moderation.cases import RULINGS, Case
from moderation.policy import Decision, Ground
from moderation.policy_words import level_name
from moderation.tally import OFF, Count
from serving.operator_texts import say

CASES_SHOWN = 50
_DAYS_SHOWN = 30
_ACTIONS = ("refuse", "warn", "allow", OFF)
_STYLE = """
:root { color-scheme: light dark; --text: #1c1917; --quiet: #57534e; --line: #e7e5e4; --back: #fafaf9; --card: #fff;
  --accent: #0f766e; --warn: #92400e; --warn-soft: #fffbeb; }
@media (prefers-color-scheme: dark) { :root { --text: #f5f5f4; --quiet: #a8a29e; --line: #3b3733; --back: #0c0a09;
  --card: #1c1917; --accent: #2dd4bf; --warn: #fcd34d; --warn-soft: #2b2111; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 900px; padding: 20px 16px 48px; font: 16px/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--back); overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 16px; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.05rem; margin: 28px 0 8px; }
nav { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 16px; } a { color: var(--accent); }
p, ul { margin: 6px 0; } ul { padding-left: 20px; }
.quiet { color: var(--quiet); font-size: .9rem; }
.warn { color: var(--warn); background: var(--warn-soft); border-radius: 10px; padding: 8px 12px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
#ratings th { white-space: normal; vertical-align: bottom; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
article { border: 1px solid var(--line); border-radius: 12px; background: var(--card); padding: 10px 14px;
  margin: 10px 0; }
blockquote { margin: 8px 0; padding-left: 12px; border-left: 3px solid var(--line); white-space: pre-wrap; }
form { display: inline-flex; flex-wrap: wrap; gap: 8px; margin: 0; }
button, input { font: inherit; min-height: 40px; border-radius: 10px; border: 1px solid var(--line); padding: 0 14px;
  background: var(--card); color: var(--text); }
button { cursor: pointer; } button.strong { background: #0f766e; border-color: transparent; color: #fff; }
:is(a, button, input, summary):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.enter { display: block; max-width: 420px; margin: 12vh auto 0; } .enter form { display: flex; }
.enter input { flex: 1 1 200px; } summary { cursor: pointer; min-height: 40px; line-height: 40px; }
"""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the operator is shown."""

    state: str
    """`on`, `off` or `always`."""
    problem: str
    policy: Sequence[str]
    counts: Sequence[Count]
    cases: Sequence[Case]
    """Newest first."""
    ratings: Sequence[RatingCount] = ()
    unread: str = ""
    """Why the ratings cannot be shown; empty where they can."""
    page: int = 0
    """Of the cases, from 0."""


def entrance(language: str, trouble: str = "") -> str:
    """The form that asks for the key; `trouble` names why the last try failed."""
    line = f'<p class="warn" role="alert">{_say(language, trouble)}</p>' if trouble else ""
    return _page(
        language,
        f'<main class="enter"><h1>{_say(language, "title")}</h1>{line}<form method="post">'
        f'<input type="password" name="key" aria-label="{_say(language, "key")}" '
        f'placeholder="{_say(language, "key")}" autocomplete="current-password" required autofocus>'
        f'<button class="strong" name="do" value="enter">{_say(language, "enter")}</button></form>'
        f'<p class="quiet">{_say(language, "key_hint")}</p></main>',
    )


def overview(language: str, shown: Overview) -> str:
    """State, policy, counts and cases."""
    unread = f'<p class="warn" role="alert">{escape(shown.unread)}</p>' if shown.unread else ""
    problem = (
        f'<p class="warn" role="alert">{_say(language, "problem")} {escape(shown.problem)}</p>' if shown.problem else ""
    )
    policy = "".join(f"<li>{escape(text)}</li>" for text in shown.policy)
    return _page(
        language,
        f'<header><h1>{_say(language, "title")}</h1><nav><a href="./">{_say(language, "chat")}</a>'
        f'<form method="post"><button name="do" value="leave">{_say(language, "leave")}</button></form></nav></header>'
        f"<main><p>{_say(language, f'state_{shown.state}')}</p>{problem}"
        f"<details><summary>{_say(language, 'policy')}</summary><ul>{policy}</ul></details>"
        f"<h2>{_say(language, 'counts')}</h2>{_counts(language, shown.counts)}"
        f"{unread}{_ratings(language, shown.ratings)}"
        f"<h2>{_say(language, 'cases')}</h2>{_cases(language, shown)}</main>",
    )


def _page(language: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{_say(language, 'title')} · Groundchat</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _counts(language: str, counts: Sequence[Count]) -> str:
    if not counts:
        return f'<p class="quiet">{_say(language, "no_counts")}</p>'
    days = sorted({count.day for count in counts}, reverse=True)[:_DAYS_SHOWN]
    rows: dict[tuple[str, str, str], dict[str, int]] = {}
    for count in counts:
        if count.day in days:
            rows.setdefault((count.day, count.side, count.category), {})[count.action] = count.texts
    heads = "".join(f"<th>{_say(language, key)}</th>" for key in ("day", "side", "category"))
    heads += "".join(f'<th class="n">{_say(language, action)}</th>' for action in _ACTIONS)
    body = "".join(
        f"<tr><td>{escape(day)}</td><td>{_say(language, side)}</td><td>{_category(language, category)}</td>"
        + "".join(f'<td class="n">{found.get(action, 0) or ""}</td>' for action in _ACTIONS)
        + "</tr>"
        for (day, side, category), found in rows.items()
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _ratings(language: str, counts: Sequence[RatingCount]) -> str:
    """How the answers of each model were rated, and why; nothing before the first rating."""
    if not counts:
        return ""
    heads = "".join(f'<th class="n">{_say(language, key)}</th>' for key in ("up", "down"))
    heads += "".join(f'<th class="n">{escape(reasons_in_words([reason], language))}</th>' for reason in Reason)
    body = "".join(
        f"<tr><td>{escape(count.model)}</td>"
        + "".join(
            f'<td class="n">{number or ""}</td>'
            for number in (count.up, count.down, *(given for _, given in count.reasons), count.texts)
        )
        + "</tr>"
        for count in counts
    )
    return (
        f'<h2>{_say(language, "ratings")}</h2><div class="scroll"><table id="ratings"><thead><tr>'
        f'<th>{_say(language, "model")}</th>{heads}<th class="n">{_say(language, "texts")}</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _category(language: str, category: str) -> str:
    if category in ("", "phrase", "unchecked"):
        return _say(language, category or "plain")
    return escape(category_name(language, category))


def _cases(language: str, shown: Overview) -> str:
    if not shown.cases:
        return f'<p class="quiet">{_say(language, "no_cases")}</p>'
    pages = (len(shown.cases) - 1) // CASES_SHOWN + 1
    page = min(max(shown.page, 0), pages - 1)
    listed = shown.cases[page * CASES_SHOWN : (page + 1) * CASES_SHOWN]
    links = f'<a href="?export=all">{_say(language, "export")}</a><a href="?export=ruled">'
    return (
        f"<nav>{links}{_say(language, 'export_ruled')}</a></nav>"
        + "".join(_case(language, case, page) for case in listed)
        + (_pages(language, page, pages) if pages > 1 else "")
    )


def _pages(language: str, page: int, pages: int) -> str:
    newer = f'<a href="?page={page - 1}">{_say(language, "newer")}</a>' if page else ""
    older = f'<a href="?page={page + 1}">{_say(language, "older")}</a>' if page + 1 < pages else ""
    return f"<nav>{newer}<span>{_say(language, 'page', page=page + 1, pages=pages)}</span>{older}</nav>"


def _case(language: str, case: Case, page: int) -> str:
    when = datetime.fromtimestamp(case.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    about = [when, say(language, case.side), say(language, case.action)]
    about += [category_name(language, case.category)] if case.category else []
    about += _judged(language, case)
    asked = f'<p class="quiet">{_say(language, "asked", text=case.context)}</p>' if case.context else ""
    text = f"<blockquote>{escape(case.text)}</blockquote>" if case.text else ""
    text = text or f'<p class="quiet">{_say(language, "no_text")}</p>'
    ruled = f"<strong>{_say(language, f'ruled_{case.ruling}')}</strong>" if case.ruling in RULINGS else ""
    buttons = "".join(
        f'<button name="ruling" value="{ruling}">{_say(language, ruling)}</button>'
        for ruling in RULINGS
        if ruling != case.ruling
    )
    return (
        f'<article id="{escape(case.id)}"><div class="quiet">{escape(" · ".join(about))}</div>{asked}{text}{ruled} '
        f'<form method="post"><input type="hidden" name="do" value="rule"><input type="hidden" name="page" '
        f'value="{page}"><input type="hidden" name="case" value="{escape(case.id)}">{buttons}</form></article>'
    )


def _judged(language: str, case: Case) -> list[str]:
    """Level, and how sure, of a decision that rests on a verdict."""
    level = next((level for level in Level if level.label == case.level), None)
    if level is None or case.ground != Ground.JUDGED:
        return []
    sure = how_sure(language, Decision(Action(case.action), score=case.score))
    return [level_name(level, language), f"{sure} ({case.score:.2f})"]


def _say(language: str, key: str, **values: object) -> str:
    return escape(say(language, key, **values))

"""How long an answer may be used again without asking (RFC 9111), as a cache for one client without credentials.

Covered: Cache-Control (no-store, no-cache, max-age), Expires, Age, and the heuristic of 4.2.2 where none is given.
`private` and `s-maxage` are for caches that many clients share; all our requests are the same client's. Not covered:
Vary, since requests for one URL are all alike; stale-while-revalidate.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping

_DIRECTIVE = re.compile(r'([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,;"]+)))?')
_LONGEST_S = 7 * 24 * 3600.0
"""Whatever a host says, so that a page that it means to keep for years is looked at again."""
_HEURISTIC_SHARE, _HEURISTIC_LONGEST_S = 0.1, 24 * 3600.0


def fresh_s(headers: Mapping[str, str], now: float) -> float:
    """Seconds from `now` (Unix time) for which an answer with these headers (lower-case names) is fresh."""
    directives = _directives(headers)
    if "no-cache" in directives or "no-store" in directives:
        return 0.0
    said = _date(headers.get("date", "")) or now
    age = _seconds(headers.get("age", "")) or 0.0
    if "max-age" in directives:
        lifetime = _seconds(directives["max-age"]) or 0.0
    elif "expires" in headers:
        lifetime = (_date(headers["expires"]) or said) - said
    else:
        changed = _date(headers.get("last-modified", ""))
        lifetime = min(_HEURISTIC_SHARE * (said - changed), _HEURISTIC_LONGEST_S) if changed else 0.0
    return min(max(lifetime - max(age, now - said, 0.0), 0.0), _LONGEST_S)


def may_be_kept(headers: Mapping[str, str]) -> bool:
    return "no-store" not in _directives(headers)


def _directives(headers: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(headers.get("cache-control", "").lower()):
        found.setdefault(name, quoted or plain)
    return found


def _seconds(text: str) -> float | None:
    return float(text[:12]) if text.isascii() and text.isdigit() else None


def _date(text: str) -> float | None:
    """Unix time of an HTTP date; None where it is none."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None

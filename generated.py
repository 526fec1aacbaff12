"""Parts of the documentation that a program writes: what stands between two HTML comments of a page."""

from __future__ import annotations


def between(page: str, begin: str, end: str, text: str) -> str:
    """`page` with `text` between `begin` and `end`. Raises `ValueError` where it lacks one of them."""
    before, begins, rest = page.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"the page lacks {begin.strip()}, or {end.strip()} behind it")
    return f"{before}{begin}{text}{end}{after}"

"""Lists of patterns, one a line, as regular expressions."""

from __future__ import annotations

from textwrap import dedent


def lines(patterns: str) -> list[str]:
    """The patterns on the lines; a line that is set in goes on the one before."""
    found: list[str] = []
    for line in dedent(patterns.strip("\n")).rstrip().split("\n"):
        if line.startswith(" ") and found:
            found[-1] += line.strip()
        else:
            found.append(line.strip())
    return found


def any_of(patterns: str) -> str:
    """One pattern for any of the patterns on the lines."""
    return f"(?:{'|'.join(lines(patterns))})"
